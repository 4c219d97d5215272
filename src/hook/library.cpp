#include "hook/library.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ringtime::hook {
namespace {

std::string name_of(const Fd& copy) { return fmt::format("/proc/self/fd/{}", copy.get()); }

bool copy_file(const Fd& from, const Fd& to, size_t size) {
    while (size > 0) {
        ssize_t moved = ::sendfile(to.get(), from.get(), nullptr, size);
        if (moved < 0 && errno == EINTR) continue;
        if (moved <= 0) return false;
        size -= static_cast<size_t>(moved);
    }
    return true;
}

}  // namespace

Library::~Library() {
    // The descriptor must not be reused for another copy while this one is loaded under its name.
    if (handle_) (void)copy_.release();
}

bool Library::open(const std::string& path, std::string& cause, std::string& remedy) {
    Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info {};
    if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
        cause = fmt::format("the file cannot be read: {}",
                            file ? "it is not a regular file" : std::strerror(errno));
        remedy = "build the plugin, or correct `pluginEntry` in its manifest";
        return false;
    }
    size_t slash = path.rfind('/');
    std::string name = path.substr(slash == path.npos ? 0 : slash + 1);
    copy_ = Fd(::memfd_create(name.substr(0, 200).c_str(), MFD_CLOEXEC));
    if (!copy_ || !copy_file(file, copy_, static_cast<size_t>(info.st_size))) {
        cause = fmt::format("it cannot be copied into memory: {}", std::strerror(errno));
        remedy = "check the memory limit and the open file limit of the gateway";
        return false;
    }
    handle_ = ::dlopen(name_of(copy_).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_) return true;
    cause = ::dlerror();
    // The author knows the file, not the descriptor of its copy.
    std::string shown = name_of(copy_);
    if (size_t at = cause.find(shown); at != cause.npos) cause.replace(at, shown.size(), path);
    remedy =
        "link every library the plugin needs, for this machine's architecture; "
        "libraries beside it are found by absolute path or LD_LIBRARY_PATH, not by $ORIGIN";
    return false;
}

void* Library::symbol(const char* name) const noexcept { return ::dlsym(handle_, name); }

bool Library::close() noexcept {
    if (!handle_) return true;
    ::dlclose(handle_);
    std::string name;
    try {
        name = name_of(copy_);
    } catch (...) {
        return false;
    }
    if (void* still = ::dlopen(name.c_str(), RTLD_NOW | RTLD_NOLOAD)) {
        ::dlclose(still);  // Gives back the reference that asking took.
        return false;      // The destructor leaves the rest as it is.
    }
    handle_ = nullptr;
    copy_.reset();
    return true;
}

}  // namespace ringtime::hook
