// What a worker's answer costs: one core and one real worker, `in flight` requests at a time, all
// pinned to one processor. Prints CPU microseconds per request of both processes together and the
// median time of a single request. Run by the suite with few requests, so that it does not rot:
//     worker_hop REQUESTS
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>

#include "harness.h"

namespace ringtime::worker::test {
namespace {

class Loop final : public loop::Runnable {
  public:
    Loop(CorePool& pool, uint64_t& left) : pool_(pool), left_(left) {
        table_.clear();
        table_.base = "accept*/*";
        table_.add({.name_offset = 0, .name_size = 6, .value_offset = 6, .value_size = 3});
        draft_.begin(table_);
        request_ = World::request("/hello");
        request_.fields = &draft_;
    }
    void start() {
        answer_ = pool_.dispatch(request_, *this);
        open_ = true;
    }
    void run() noexcept override {
        if (!open_ || answer_->advance() != http::Answer::Phase::headed) return;
        Piece piece;
        http::Pull pull;
        while ((pull = answer_->body().pull(piece, 65536)) == http::Pull::data) {
            wrong += piece.view() != "hello\n";
            piece.release();
        }
        if (pull == http::Pull::pending) return;
        wrong += pull != http::Pull::end;
        open_ = false;
        answer_->release();
        if (left_ == 0) return;
        --left_;
        start();
    }
    [[nodiscard]] bool open() const { return open_; }
    uint64_t wrong = 0;

  private:
    CorePool& pool_;
    uint64_t& left_;
    WorkerRequest request_;
    http::FieldTable table_;
    http::FieldDraft draft_;
    http::Answer* answer_ = nullptr;
    bool open_ = false;
};

// Of a process that runs: user and system time from its scheduler statistics, in nanoseconds.
uint64_t run_time(int pid) {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    unsigned long long value = 0;
    if (FILE* file = std::fopen(path, "r")) {
        if (std::fscanf(file, "%llu", &value) != 1) value = 0;
        std::fclose(file);
    }
    return value;
}

int measure(World& world, uint64_t requests, size_t in_flight) {
    int worker = world.supervisor().workers().at(0).pid;
    int self = static_cast<int>(getpid());
    uint64_t left = requests;
    std::vector<std::unique_ptr<Loop>> loops;
    for (size_t i = 0; i < in_flight; ++i)
        loops.push_back(std::make_unique<Loop>(world.pool(), left));
    uint64_t ours = run_time(self);
    uint64_t theirs = run_time(worker);
    uint64_t bells = world.pool().counters().doorbells;
    Nanoseconds began = monotonic_now();
    for (auto& loop : loops) loop->start();
    auto busy = [&] {
        return std::any_of(loops.begin(), loops.end(), [](auto& loop) { return loop->open(); });
    };
    while (busy()) world.reactor().turn(kNanosecondsPerSecond);
    double total = static_cast<double>(requests + in_flight);
    uint64_t wrong = 0;
    for (auto& loop : loops) wrong += loop->wrong;
    std::printf(
        "%3zu in flight: gateway %.2f us + worker %.2f us of CPU, %.2f us elapsed, %.2f doorbells "
        "a request\n",
        in_flight, static_cast<double>(run_time(self) - ours) / total / 1000,
        static_cast<double>(run_time(worker) - theirs) / total / 1000,
        static_cast<double>(monotonic_now() - began) / total / 1000,
        static_cast<double>(world.pool().counters().doorbells - bells) / total);
    return wrong == 0 ? 0 : 1;
}

int run(uint64_t requests) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    sched_setaffinity(0, sizeof set, &set);
    AppSpec app = plain_app();
    app.workers_max = 1;
    World world({app});
    if (!world.until([&] { return world.supervisor().ready(0); })) return 1;
    world.run_for(20);
    int result = 0;
    for (size_t in_flight : {1UL, 4UL, 16UL, 64UL}) result |= measure(world, requests, in_flight);
    return result;
}

}  // namespace
}  // namespace ringtime::worker::test

int main(int argc, char** argv) {
    return ringtime::worker::test::run(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200'000);
}
