#pragma once
// What the supervisor and the zygote say to each other over one SOCK_SEQPACKET socket: one
// structure per packet, followed by strings. Both are built from this tree at once, so there is no
// versioning.
//
// The zygote is `ringtime-worker-host --zygote`: a process without threads, rings, memory or
// secrets of the gateway, whose only work is to fork worker processes, put them into their sandbox
// and report their end. Forking from the gateway itself would copy its page tables and its rings.

#include <cstdint>

namespace ringtime::worker {

/// The zygote's end of the socket.
inline constexpr int kZygoteFd = 3;
/// Largest packet: environment and paths of one worker.
inline constexpr unsigned kZygotePacketMax = 64 * 1024;

enum class ZygoteKind : uint32_t { spawn = 1, hello, spawned, ended };

/// Supervisor to zygote, with four descriptors: control, doorbell, stdout, stderr.
/// Strings follow, each with its NUL: program, directory, the file of its control group (may be
/// empty), then the counted lists.
struct SpawnPacket {
    ZygoteKind kind = ZygoteKind::spawn;
    uint32_t worker = 0;
    uint32_t argument_count = 0;  ///< Including the name.
    uint32_t environment_count = 0;
    uint32_t readable_count = 0;  ///< Paths it may read and execute.
    uint32_t writable_count = 0;
    uint32_t uid = 0;  ///< 0: as the gateway.
    uint32_t gid = 0;
    uint32_t open_files = 0;  ///< RLIMIT_NOFILE.
    uint32_t unused = 0;
    uint64_t data_bytes = 0;  ///< RLIMIT_DATA; 0: none.
};

/// Zygote to supervisor. `spawned` carries the pidfd.
struct ZygoteReport {
    ZygoteKind kind = ZygoteKind::hello;
    uint32_t worker = 0;
    int32_t pid = 0;       ///< spawned: negative errno when the fork failed.
    int32_t status = 0;    ///< ended: as of wait(2).
    int32_t landlock = 0;  ///< hello: the kernel's Landlock version; 0 when it has none.
};

}  // namespace ringtime::worker
