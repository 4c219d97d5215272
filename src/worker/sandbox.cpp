#include "worker/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <initializer_list>
#include <iterator>

namespace ringtime::worker {
namespace {

// ---- Landlock: by number, the headers of Debian 12 know version 2 only ----

constexpr uint64_t kTruncate = uint64_t{1} << 14;       // Version 3.
constexpr uint64_t kDeviceControl = uint64_t{1} << 15;  // Version 5.
constexpr uint64_t kScopeSignal = uint64_t{1} << 1;     // Version 6.

struct RulesetAttributes {
    uint64_t files;
    uint64_t network;
    uint64_t scoped;
};

constexpr uint64_t kRead =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kFileOnly = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                               LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kDeviceControl;

uint64_t handled_files(int version) {
    uint64_t all = (uint64_t{1} << 13) - 1;  // Version 1.
    if (version >= 2) all |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3) all |= kTruncate;
    if (version >= 5) all |= kDeviceControl;
    return all;
}

// Libraries, interpreters and what the C library's resolver and time zones read. A path that this
// machine does not have cannot be opened later either.
constexpr const char* kSystemPaths[] = {"/usr",
                                        "/lib",
                                        "/lib64",
                                        "/bin",
                                        "/etc/ld.so.cache",
                                        "/etc/hosts",
                                        "/etc/resolv.conf",
                                        "/etc/nsswitch.conf",
                                        "/etc/host.conf",
                                        "/etc/gai.conf",
                                        "/etc/services",
                                        "/etc/protocols",
                                        "/etc/localtime",
                                        "/etc/ssl/certs",
                                        "/etc/ssl/openssl.cnf",
                                        "/etc/ca-certificates",
                                        "/etc/alternatives",
                                        "/dev/urandom",
                                        "/dev/random",
                                        "/dev/zero",
                                        "/sys/devices/system/cpu"};

bool allow(int ruleset, const char* path, uint64_t access) {
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT || errno == ENOTDIR;
    struct stat info;
    bool fine = fstat(fd, &info) == 0;
    if (!S_ISDIR(info.st_mode)) access &= kFileOnly;
    landlock_path_beneath_attr rule{};
    rule.allowed_access = access;
    rule.parent_fd = fd;
    fine =
        fine && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    close(fd);
    return fine;
}

bool allow_all(int ruleset, const char* const* paths, uint64_t access) {
    for (; paths && *paths; ++paths)
        if (!allow(ruleset, *paths, access)) return false;
    return true;
}

bool restrict_files(const SandboxOptions& options) {
    int version = landlock_version();
    if (version <= 0) return true;
    RulesetAttributes attributes{handled_files(version), 0, version >= 6 ? kScopeSignal : 0};
    size_t size = version >= 6 ? sizeof attributes : version >= 4 ? 16 : 8;
    int ruleset = static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, size, 0));
    if (ruleset < 0) return false;
    uint64_t write = attributes.files & ~kDeviceControl & ~uint64_t{LANDLOCK_ACCESS_FS_MAKE_CHAR} &
                     ~uint64_t{LANDLOCK_ACCESS_FS_MAKE_BLOCK};
    bool fine = allow(ruleset, options.directory, kRead);
    for (const char* path : kSystemPaths) fine = fine && allow(ruleset, path, kRead);
    // Its own entry only: the link is resolved here, and a process keeps its number when it
    // executes.
    fine = fine &&
           allow(ruleset, "/proc/self", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
    fine = fine && allow(ruleset, "/dev/null",
                         LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);
    fine = fine && allow_all(ruleset, options.readable, kRead);
    fine =
        fine && allow_all(ruleset, options.writable, write & ~uint64_t{LANDLOCK_ACCESS_FS_EXECUTE});
    fine = fine && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    close(ruleset);
    return fine;
}

// ---- seccomp: a list of what nobody who answers requests has to do ----

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "The worker sandbox knows x86-64 and arm64."
#endif

// seccomp cannot look into io_uring operations, so the rings themselves are closed. The others read
// or change other processes, the kernel or the machine, or leave the process group the gateway
// ends.
constexpr int kDenied[] = {
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_process_madvise,
    SYS_userfaultfd,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_setsid,
    SYS_setpgid,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_syslog,
    SYS_quotactl,
    SYS_vhangup,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_fanotify_init,
    SYS_lookup_dcookie,
    SYS_nfsservctl,
    SYS_personality,
    SYS_move_pages,
    SYS_migrate_pages,
    SYS_pidfd_send_signal,
#if defined(__x86_64__)
    SYS_kexec_file_load,
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_uselib,
    SYS_ustat,
    SYS_sysfs,
    SYS__sysctl,
    SYS_create_module,
    SYS_get_kernel_syms,
    SYS_query_module,
#endif
};

struct Filter {
    sock_filter code[256];
    unsigned short size = 0;

    void add(uint16_t op, uint32_t value, uint8_t yes = 0, uint8_t no = 0) {
        code[size++] = sock_filter{op, yes, no, value};
    }
    void load(size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)); }
    void answer(uint32_t action) { add(BPF_RET | BPF_K, action); }
    /// `action` when the loaded word equals `value`; else goes on behind it.
    void answer_when(uint32_t value, uint32_t action) {
        add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
        answer(action);
    }
};
constexpr uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;

constexpr uint32_t low_word(unsigned argument) {
    return static_cast<uint32_t>(offsetof(seccomp_data, args) + argument * sizeof(uint64_t));
}

// When the loaded number is `number` and its argument `argument` equals `value`: refused.
void refuse_argument(Filter& filter, uint32_t number, unsigned argument, uint32_t value) {
    filter.add(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4);
    filter.load(low_word(argument));
    filter.answer_when(value, kRefuse);
    filter.answer(SECCOMP_RET_ALLOW);
}

// Where Landlock does not scope signals, a process may signal itself and its group only.
void refuse_foreign_signals(Filter& filter) {
    auto self = static_cast<uint32_t>(getpid());
    const uint32_t allowed[] = {0, self, ~self + 1};
    for (uint32_t number : {uint32_t{SYS_kill}, uint32_t{SYS_tgkill}}) {
        filter.add(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 8);
        filter.load(low_word(0));
        for (uint32_t pid : allowed) filter.answer_when(pid, SECCOMP_RET_ALLOW);
        filter.answer(kRefuse);
    }
    filter.answer_when(SYS_tkill, kRefuse);
}

bool restrict_calls() {
    Filter filter;
    filter.load(offsetof(seccomp_data, arch));
    filter.add(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0);
    filter.answer(SECCOMP_RET_KILL_PROCESS);
    filter.load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
    // The x32 numbers are a second door to the same calls.
    filter.add(BPF_JMP | BPF_JGE | BPF_K, 0x40000000U, 0, 1);
    filter.answer(SECCOMP_RET_ERRNO | ENOSYS);
#endif
    for (int number : kDenied) filter.answer_when(static_cast<uint32_t>(number), kRefuse);
    // Flags of clone3 lie in memory, where a filter cannot see them; the C library then takes
    // clone.
    filter.answer_when(SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
    if (landlock_version() < 6) refuse_foreign_signals(filter);
    // clone: no new user namespace (0x10000000), which would hand out capabilities.
    filter.add(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4);
    filter.load(low_word(0));
    filter.add(BPF_JMP | BPF_JSET | BPF_K, 0x10000000U, 0, 1);
    filter.answer(kRefuse);
    filter.answer(SECCOMP_RET_ALLOW);
    refuse_argument(filter, SYS_prctl, 0, PR_SET_PDEATHSIG);
    refuse_argument(filter, SYS_ioctl, 1, TIOCSTI);
    filter.answer(SECCOMP_RET_ALLOW);
    static_assert(std::size(kDenied) * 2 + 60 <= std::size(Filter{}.code));
    sock_fprog program{filter.size, filter.code};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

bool limit(__rlimit_resource resource, uint64_t value) {
    rlimit both{value, value};
    return setrlimit(resource, &both) == 0;
}

bool limit_resources(const SandboxOptions& options) {
    return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, options.open_files) &&
           (options.data_bytes == 0 || limit(RLIMIT_DATA, options.data_bytes));
}

bool drop_identity(const SandboxOptions& options) {
    if (options.uid == 0) return true;
    return setgroups(0, nullptr) == 0 && setresgid(options.gid, options.gid, options.gid) == 0 &&
           setresuid(options.uid, options.uid, options.uid) == 0;
}

}  // namespace

int landlock_version() noexcept {
    long version =
        syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version < 0 ? 0 : static_cast<int>(version);
}

const char* enter_sandbox(const SandboxOptions& options) noexcept {
    if (!limit_resources(options)) return "setting resource limits";
    if (!drop_identity(options)) return "changing the user";
    // The change of user clears it; without it a dead zygote would leave this process behind.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return "asking to end with the zygote";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "giving up privileges";
    if (!restrict_files(options)) return "restricting files (Landlock)";
    if (!restrict_calls()) return "restricting system calls (seccomp)";
    return nullptr;
}

}  // namespace ringtime::worker
