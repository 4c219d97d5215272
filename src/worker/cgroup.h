#pragma once
// Limits of memory and processor time, by control groups (version 2): a folder for each worker that
// has a limit. The kernel allows limits only below a folder without processes of its own, so the
// gateway first moves itself one folder down; that needs a subtree that is the gateway's to change
// (systemd: `Delegate=yes`). Main thread.

#include <cstdint>
#include <string>
#include <vector>

namespace ringtime::worker {

struct CgroupLimits {
    uint64_t memory_bytes = 0;  ///< 0: none.
    double cpus = 0;            ///< 0: none.
};

/// What one worker's process is held in.
struct Cgroup {
    std::string folder;      ///< Empty: none. It may have been another's before.
    uint64_t oom_kills = 0;  ///< How many had been ended in it by then.

    /// Some process in it was ended because of its limit of memory.
    [[nodiscard]] bool ran_out_of_memory() const;
};

class Cgroups {
  public:
    /// The folder of the process's own group, or empty where there is no version 2.
    [[nodiscard]] static std::string own_folder();

    /// Makes `folder` one that can have limits. False: `problem` names the cause and the remedy.
    [[nodiscard]] bool open(const std::string& folder, std::string& problem);
    [[nodiscard]] bool usable() const noexcept { return !folder_.empty(); }
    /// A folder with these limits; a process enters it by writing to `cgroup.procs` in it. Without
    /// one errno says why.
    [[nodiscard]] Cgroup make(uint32_t worker, const CgroupLimits& limits);
    /// Once its process has ended. What that has started may take a moment longer: such a folder is
    /// kept in mind.
    void remove(const Cgroup& group);
    /// Removes what could not be removed before.
    void sweep();

  private:
    std::string folder_;
    std::vector<std::string> left_;
};

}  // namespace ringtime::worker
