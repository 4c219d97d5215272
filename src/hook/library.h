#pragma once
// A shared object opened from a private copy: dlopen of a file that is loaded already returns the
// old one, and overwriting it would change code that runs. The copy lies in anonymous memory, so
// nothing is left behind after a crash and it needs no writable or executable file system.

#include <string>

#include "base/fd.h"

namespace ringtime::hook {

class Library {
 public:
    Library() = default;
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;
    /// Leaves it mapped unless close() was called: threads may still run in it.
    ~Library();

    /// Helper threads only: reads a file and runs the object's constructors.
    [[nodiscard]] bool open(const std::string& path, std::string& cause, std::string& remedy);
    [[nodiscard]] bool loaded() const noexcept { return handle_ != nullptr; }
    /// Null when there is no such symbol.
    [[nodiscard]] void* symbol(const char* name) const noexcept;
    /// Unmaps it. False when it stays mapped all the same (it has unique symbols, or a thread-local
    /// destructor holds it).
    [[nodiscard]] bool close() noexcept;

 private:
    void* handle_ = nullptr;
    // Kept open while loaded: the loader knows the copy by this descriptor's name.
    Fd copy_;
};

}  // namespace ringtime::hook
