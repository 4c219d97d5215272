#include "runtime/admin_socket.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace ringtime::runtime {
namespace {

constexpr int kBacklog = 16;

// An address has room for 107 bytes; longer paths are reached through a descriptor of their folder,
// which `folder` keeps open for the call.
bool address_of(const std::string& path, sockaddr_un& address, Fd& folder) {
    address = {};
    address.sun_family = AF_UNIX;
    std::string text = path;
    if (text.size() >= sizeof address.sun_path) {
        size_t slash = path.rfind('/');
        folder = Fd(::open(path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!folder) return false;
        text = fmt::format("/proc/self/fd/{}{}", folder.get(), path.substr(slash));
        if (text.size() >= sizeof address.sun_path) {
            errno = ENAMETOOLONG;
            return false;
        }
    }
    std::memcpy(address.sun_path, text.data(), text.size());
    return true;
}

Fd unix_socket() { return Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

bool fails(std::string& problem, const std::string& path) {
    problem = fmt::format("no admin socket at {}: {}", path, std::strerror(errno));
    return false;
}

}  // namespace

std::string admin_socket_path(const std::string& data_dir) { return data_dir + "/admin.sock"; }

std::string keys_path(const std::string& data_dir) { return data_dir + "/keys.json"; }

bool make_data_dir(const std::string& data_dir, std::string& problem) {
    std::error_code fault;
    std::filesystem::path parent = std::filesystem::path(data_dir).parent_path();
    if (!parent.empty()) std::filesystem::create_directories(parent, fault);
    bool there = ::mkdir(data_dir.c_str(), 0700) == 0 || errno == EEXIST;
    if (there && !std::filesystem::is_directory(data_dir, fault)) {
        problem = fmt::format("the data folder {} is no folder; set RUNTIME_DATA_DIR", data_dir);
        return false;
    }
    if (there && ::access(data_dir.c_str(), W_OK | X_OK) == 0) return true;
    problem = fmt::format("the data folder {} cannot be used: {}; set RUNTIME_DATA_DIR", data_dir,
                          std::strerror(errno));
    return false;
}

Fd connect_admin_socket(const std::string& path) {
    sockaddr_un address;
    Fd folder;
    Fd fd = unix_socket();
    if (!fd || !address_of(path, address, folder)) return {};
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
    return fd;
}

AdminSocket::~AdminSocket() {
    struct stat status {};
    if (fd_ && ::lstat(path_.c_str(), &status) == 0 && status.st_ino == inode_)
        ::unlink(path_.c_str());
}

bool AdminSocket::open(const std::string& path, std::string& problem) {
    if (connect_admin_socket(path)) {
        problem = fmt::format("another gateway answers at {}; give this one its own data folder "
                              "(RUNTIME_DATA_DIR) to administrate it", path);
        return false;
    }
    // Bound under a name of its own, then renamed: a file left by a dead gateway is replaced in one
    // step. The mode is set before there is a file, so that it is never open to others.
    std::string beside = fmt::format("{}.{}", path, ::getpid());
    sockaddr_un address;
    Fd folder;
    Fd fd = unix_socket();
    if (!fd || !address_of(beside, address, folder)) return fails(problem, path);
    ::unlink(beside.c_str());
    if (::fchmod(fd.get(), 0600) != 0 ||
        ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return fails(problem, path);
    struct stat status {};
    if (::chmod(beside.c_str(), 0600) != 0 || ::lstat(beside.c_str(), &status) != 0 ||
        ::listen(fd.get(), kBacklog) != 0 || ::rename(beside.c_str(), path.c_str()) != 0) {
        (void)fails(problem, path);
        ::unlink(beside.c_str());
        return false;
    }
    fd_ = std::move(fd);
    path_ = path;
    inode_ = status.st_ino;
    return true;
}

}  // namespace ringtime::runtime
