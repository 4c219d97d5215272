#pragma once
// What a worker process may still do once it runs: applied in the forked child, each step fails
// closed. Only the kernel's lack of Landlock is forgiven (and reported by the zygote). Network use
// is allowed.

#include <cstdint>

namespace ringtime::worker {

struct SandboxOptions {
    const char* directory = nullptr;        ///< Readable and executable: the app's folder.
    const char* const* readable = nullptr;  ///< Null-terminated.
    const char* const* writable = nullptr;  ///< Null-terminated.
    uint32_t uid = 0;
    uint32_t gid = 0;
    uint32_t open_files = 1024;
    uint64_t data_bytes = 0;
};

/// The Landlock version of this kernel; 0 when it has none.
[[nodiscard]] int landlock_version() noexcept;

/// Null when everything is in place; else the step that failed (errno says why).
[[nodiscard]] const char* enter_sandbox(const SandboxOptions& options) noexcept;

}  // namespace ringtime::worker
