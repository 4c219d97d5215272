#include "runtime/atomic_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"

namespace ringtime::runtime {
namespace {

bool write_all(int fd, std::string_view text) noexcept {
    while (!text.empty()) {
        ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        text.remove_prefix(static_cast<size_t>(written));
    }
    return true;
}

// The rename itself survives a power cut only when the folder is on disk.
void sync_folder_of(const std::string& path) noexcept {
    std::string folder = path.substr(0, path.rfind('/') + 1);
    Fd fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd) (void)::fsync(fd.get());
}

}  // namespace

bool replace_file(const std::string& path, std::string_view text, mode_t mode,
                  std::string& problem) {
    std::string beside = path + ".XXXXXX";
    Fd file(::mkostemp(beside.data(), O_CLOEXEC));  // Mode 0600 from its first moment.
    bool made = static_cast<bool>(file);
    bool good = made && write_all(file.get(), text) && ::fchmod(file.get(), mode) == 0 &&
                ::fsync(file.get()) == 0 && ::rename(beside.c_str(), path.c_str()) == 0;
    if (good) {
        sync_folder_of(path);
        return true;
    }
    problem = fmt::format("cannot write {}: {}", path, std::strerror(errno));
    if (made) ::unlink(beside.c_str());
    return false;
}

FileRead read_file(const std::string& path, size_t bytes_max, std::string& out,
                   std::string& problem) {
    Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!file && errno == ENOENT) return FileRead::missing;
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0) {
        problem = fmt::format("cannot read {}: {}", path, std::strerror(errno));
        return FileRead::failed;
    }
    if (!S_ISREG(status.st_mode) || static_cast<uint64_t>(status.st_size) > bytes_max) {
        problem = fmt::format("{} is no file of at most {} bytes", path, bytes_max);
        return FileRead::failed;
    }
    out.resize(bytes_max);
    size_t size = 0;
    while (size < bytes_max) {
        ssize_t got = ::read(file.get(), out.data() + size, bytes_max - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            problem = fmt::format("cannot read {}: {}", path, std::strerror(errno));
            return FileRead::failed;
        }
        if (got == 0) break;
        size += static_cast<size_t>(got);
    }
    out.resize(size);
    return FileRead::good;
}

}  // namespace ringtime::runtime
