#include "ring/sim/sim_seeds.h"

#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

// Present only in programs built with a sanitizer.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace ringtime::ring {
namespace {

thread_local uint64_t seed_running = 0;

void print_seed() {
    if (seed_running == 0) return;
    char line[96];
    const int size = std::snprintf(line, sizeof line, "seed=%lu (replay: RINGTIME_SIM_SEED=%lu)\n",
                                   seed_running, seed_running);
    [[maybe_unused]] const ssize_t written =
        ::write(STDERR_FILENO, line, static_cast<size_t>(size));
}

void on_crash(int signal) {
    print_seed();
    ::signal(signal, SIG_DFL);
    ::raise(signal);
}

void watch_for_crashes() {
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(&print_seed);
    } else {
        ::signal(SIGSEGV, &on_crash);
        ::signal(SIGBUS, &on_crash);
    }
    ::signal(SIGABRT, &on_crash);
}

bool run_seed(uint64_t seed, const SimScenario& scenario, const std::function<bool()>& failed) {
    seed_running = seed;
    SimWorld world(seed);
    scenario(world);
    bool good = !failed || !failed();
    for (const std::string& violation : world.violations()) {
        std::fprintf(stderr, "%s\n", violation.c_str());
        good = false;
    }
    if (!good) print_seed();
    seed_running = 0;
    return good;
}

}  // namespace

bool run_seeds(unsigned count, const SimScenario& scenario, const std::function<bool()>& failed) {
    watch_for_crashes();
    if (const char* one = std::getenv("RINGTIME_SIM_SEED"))
        return run_seed(std::strtoull(one, nullptr, 10), scenario, failed);
    uint64_t last = count;
    if (const char* many = std::getenv("RINGTIME_SIM_SEEDS"))
        last = std::strtoull(many, nullptr, 10);
    for (uint64_t seed = 1; seed <= last; ++seed)
        if (!run_seed(seed, scenario, failed)) return false;
    return true;
}

}  // namespace ringtime::ring
