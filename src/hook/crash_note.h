#pragma once
// When the process dies of a signal, says whose code the thread was in before it does: a native
// plugin shares the gateway's process, and without its name a core dump tells nobody whom to ask.
//
//     ringtime: signal 11 at address 0x0 in plugin shop, on_request, core 0

#include <string>

#include "hook/core.h"

namespace ringtime::hook {

/// For the gateway's life; one in the process. What handled those signals before (a sanitizer, the
/// default: a core dump) handles them after the line is written.
class CrashNote {
 public:
    /// `cores` outlives it.
    explicit CrashNote(Cores& cores) noexcept;
    CrashNote(const CrashNote&) = delete;
    CrashNote& operator=(const CrashNote&) = delete;
    ~CrashNote();
};

/// Gives the calling thread a stack for the note: a plugin that recurses for ever leaves none.
void prepare_crash_note() noexcept;

/// While it lives, this thread runs code of a plugin outside of the hooks a core marks.
class InPlugin {
 public:
    /// `name` (with a 0 at its end) outlives it.
    InPlugin(const std::string& name, const char* what) noexcept;
    InPlugin(const InPlugin&) = delete;
    InPlugin& operator=(const InPlugin&) = delete;
    ~InPlugin();
};

}  // namespace ringtime::hook
