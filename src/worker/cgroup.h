#pragma once
// Limits of memory and processor time, by control groups (version 2): a folder for each worker that
// has a limit. The kernel allows limits only below a folder without processes of its own, so the
// gateway first moves itself one folder down; that needs a subtree that is the gateway's to change
// (systemd: `Delegate=yes`). Main thread.

#include <cstdint>
#include <string>

namespace ringtime::worker {

struct CgroupLimits {
    uint64_t memory_bytes = 0;  ///< 0: none.
    double cpus = 0;            ///< 0: none.
};

class Cgroups {
  public:
    /// The folder of the process's own group, or empty where there is no version 2.
    [[nodiscard]] static std::string own_folder();

    /// Makes `folder` one that can have limits. False: `problem` names the cause and the remedy.
    [[nodiscard]] bool open(const std::string& folder, std::string& problem);
    [[nodiscard]] bool usable() const noexcept { return !folder_.empty(); }
    /// A folder with these limits; a process enters it by writing to `cgroup.procs` in it. Empty:
    /// errno says why.
    [[nodiscard]] std::string make(uint32_t worker, const CgroupLimits& limits) const;
    /// Some process in it was ended because of its limit of memory.
    [[nodiscard]] static bool ran_out_of_memory(const std::string& folder);
    /// Once its processes have ended.
    static void remove(const std::string& folder) noexcept;

  private:
    std::string folder_;
};

}  // namespace ringtime::worker
