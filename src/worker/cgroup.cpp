#include "worker/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/core.h>

#include "base/fd.h"

namespace ringtime::worker {
namespace {

constexpr unsigned kPeriodUs = 100'000;

bool write_to(const std::string& path, const std::string& text) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    return fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

uint64_t oom_kills_in(const std::string& folder) {
    std::ifstream events(folder + "/memory.events");
    std::string name;
    uint64_t count = 0;
    while (events >> name >> count)
        if (name == "oom_kill") return count;
    return 0;
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

// The folder of a worker's number may still be there, with another app's limits and what the kernel
// has counted so far: every limit is written, also the one that is none.
Cgroup Cgroups::make(uint32_t worker, const CgroupLimits& limits) {
    Cgroup group{fmt::format("{}/ringtime-worker-{}", folder_, worker)};
    std::erase(left_, group.folder);
    std::string memory = limits.memory_bytes ? std::to_string(limits.memory_bytes) : "max";
    std::string cpus =
        limits.cpus > 0 ? std::to_string(static_cast<uint64_t>(limits.cpus * kPeriodUs)) : "max";
    bool made = make_folder(group.folder) &&
                write_to(group.folder + "/memory.max", memory) &&
                // Ending one process of a worker and keeping the others helps nobody.
                write_to(group.folder + "/memory.oom.group", "1") &&
                write_to(group.folder + "/cpu.max", fmt::format("{} {}", cpus, kPeriodUs));
    if (made) {
        group.oom_kills = oom_kills_in(group.folder);
        return group;
    }
    int error = errno;
    remove(group);
    errno = error;
    return {};
}

bool Cgroup::ran_out_of_memory() const { return oom_kills_in(folder) > oom_kills; }

void Cgroups::remove(const Cgroup& group) {
    if (::rmdir(group.folder.c_str()) != 0 && errno == EBUSY) left_.push_back(group.folder);
}

void Cgroups::sweep() {
    std::erase_if(left_, [](const std::string& folder) {
        return ::rmdir(folder.c_str()) == 0 || errno != EBUSY;
    });
}

}  // namespace ringtime::worker
