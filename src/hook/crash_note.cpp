#include "hook/crash_note.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ringtime::hook {
namespace {

constexpr std::array<int, 5> kFatal = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr size_t kStackBytes = 32 * 1024;

// A handler finds everything here; it may not allocate, wait or format.
std::atomic<Cores*> g_cores{nullptr};
std::array<struct sigaction, kFatal.size()> g_before;
thread_local const char* t_plugin = nullptr;
thread_local const char* t_what = nullptr;

class Text {
 public:
    Text& add(std::string_view text) noexcept {
        size_t size = std::min(text.size(), sizeof text_ - used_);
        std::memcpy(text_ + used_, text.data(), size);
        used_ += size;
        return *this;
    }
    Text& number(uint64_t value, unsigned base) noexcept {
        char digits[20];
        size_t first = sizeof digits;
        do {
            digits[--first] = "0123456789abcdef"[value % base];
            value /= base;
        } while (value != 0);
        return add({digits + first, sizeof digits - first});
    }
    void write() noexcept { (void)!::write(STDERR_FILENO, text_, used_); }

 private:
    char text_[512];
    size_t used_ = 0;
};

void add_place(Text& line, Cores& cores) noexcept {
    if (t_plugin) {
        line.add(" in plugin ").add(t_plugin).add(", ").add(t_what);
        return;
    }
    for (unsigned i = 0; i < cores.count(); ++i) {
        if (!cores[i].here()) continue;
        auto mark = static_cast<uint32_t>(cores[i].marker());
        if (mark == 0) {
            line.add(" in no plugin's hook");
        } else {
            line.add(" in plugin ").add(cores.name_if_free(mark >> 8)).add(", ");
            line.add(hook_name(static_cast<Hook>((mark & 0xff) - 1)));
        }
        line.add(", core ").number(i, 10);
        return;
    }
    line.add(" in a thread that serves no requests");
}

void write_note(int signal, siginfo_t* info, void*) noexcept {
    for (size_t i = 0; i < kFatal.size(); ++i) {
        if (kFatal[i] == signal) ::sigaction(signal, &g_before[i], nullptr);
    }
    Text line;
    line.add("ringtime: signal ").number(static_cast<unsigned>(signal), 10);
    bool sent = info->si_code <= 0;
    if (!sent)
        line.add(" at address 0x").number(reinterpret_cast<uintptr_t>(info->si_addr), 16);
    if (Cores* cores = g_cores.load(std::memory_order_acquire)) add_place(line, *cores);
    line.add("\n").write();
    // What the processor refused it refuses again; what was sent has to be sent again.
    if (sent) (void)::raise(signal);
}

/// The stack of one thread for its note.
class NoteStack {
 public:
    NoteStack() noexcept {
        stack_t stack{};
        stack.ss_sp = bytes_;
        stack.ss_size = sizeof bytes_;
        (void)::sigaltstack(&stack, &before_);
    }
    ~NoteStack() { (void)::sigaltstack(&before_, nullptr); }

 private:
    stack_t before_{};
    alignas(16) char bytes_[kStackBytes];
};

}  // namespace

CrashNote::CrashNote(Cores& cores) noexcept {
    g_cores.store(&cores, std::memory_order_release);
    struct sigaction action {};
    action.sa_sigaction = &write_note;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (size_t i = 0; i < kFatal.size(); ++i) ::sigaction(kFatal[i], &action, &g_before[i]);
}

CrashNote::~CrashNote() {
    for (size_t i = 0; i < kFatal.size(); ++i) ::sigaction(kFatal[i], &g_before[i], nullptr);
    g_cores.store(nullptr, std::memory_order_release);
}

void prepare_crash_note() noexcept {
    static thread_local NoteStack stack;
    (void)stack;
}

InPlugin::InPlugin(const std::string& name, const char* what) noexcept {
    t_what = what;
    t_plugin = name.c_str();
}

InPlugin::~InPlugin() { t_plugin = nullptr; }

}  // namespace ringtime::hook
