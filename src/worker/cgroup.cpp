#include "worker/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "base/fd.h"

namespace ringtime::worker {
namespace {

constexpr unsigned kPeriodUs = 100'000;

bool write_to(const std::string& path, const std::string& text) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    return fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

bool make_folder(const std::string& path) {
    return ::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST;
}

}  // namespace

std::string Cgroups::own_folder() {
    std::string root = "/sys/fs/cgroup";
    if (::access((root + "/cgroup.controllers").c_str(), F_OK) != 0) return {};
    std::ifstream list("/proc/self/cgroup");
    for (std::string line; std::getline(list, line);)
        if (line.starts_with("0::")) return root + line.substr(line == "0::/" ? 4 : 3);
    return {};
}

bool Cgroups::open(const std::string& folder, std::string& problem) {
    if (folder.empty()) {
        problem = "this system has no control groups of version 2";
        return false;
    }
    std::string own = folder + "/ringtime-gateway";
    if (make_folder(own) && write_to(own + "/cgroup.procs", std::to_string(::getpid())) &&
        write_to(folder + "/cgroup.subtree_control", "+memory +cpu")) {
        folder_ = folder;
        return true;
    }
    problem = fmt::format("{} cannot be divided: {}; give the service its own subtree (systemd: "
                          "Delegate=yes)",
                          folder, std::strerror(errno));
    return false;
}

std::string Cgroups::make(uint32_t worker, const CgroupLimits& limits) const {
    std::string folder = fmt::format("{}/ringtime-worker-{}", folder_, worker);
    bool made = make_folder(folder);
    if (made && limits.memory_bytes != 0)
        made = write_to(folder + "/memory.max", std::to_string(limits.memory_bytes)) &&
               // Ending one process of a worker and keeping the others helps nobody.
               write_to(folder + "/memory.oom.group", "1");
    if (made && limits.cpus > 0)
        made = write_to(folder + "/cpu.max",
                        fmt::format("{} {}", static_cast<uint64_t>(limits.cpus * kPeriodUs),
                                    kPeriodUs));
    if (made) return folder;
    int error = errno;
    remove(folder);
    errno = error;
    return {};
}

bool Cgroups::ran_out_of_memory(const std::string& folder) {
    std::ifstream events(folder + "/memory.events");
    std::string name;
    uint64_t count = 0;
    while (events >> name >> count)
        if (name == "oom_kill" && count > 0) return true;
    return false;
}

void Cgroups::remove(const std::string& folder) noexcept { (void)::rmdir(folder.c_str()); }

}  // namespace ringtime::worker
