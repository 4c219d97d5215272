#pragma once
// The folder the gateway keeps its own things in, and the socket in it through which its operator
// talks to it. A gateway without either serves all the same, and says so once.

#include <string>

#include "base/fd.h"

namespace ringtime::runtime {

/// Where the socket and the keys are: `<data dir>/admin.sock`, `<data dir>/keys.json`.
[[nodiscard]] std::string admin_socket_path(const std::string& data_dir);
[[nodiscard]] std::string keys_path(const std::string& data_dir);

/// Makes the folder (mode 0700) and its parents where they are missing. False: `problem` names the
/// cause and the remedy.
[[nodiscard]] bool make_data_dir(const std::string& data_dir, std::string& problem);

/// A connection to a gateway's admin socket; empty, with errno, when nobody answers.
[[nodiscard]] Fd connect_admin_socket(const std::string& path);

/// The listening end. Takes the place of a socket file that a dead gateway left; never that of a
/// living one.
class AdminSocket {
 public:
    AdminSocket() = default;
    AdminSocket(const AdminSocket&) = delete;
    AdminSocket& operator=(const AdminSocket&) = delete;
    /// Removes the file, unless it is another's by now.
    ~AdminSocket();

    [[nodiscard]] bool open(const std::string& path, std::string& problem);
    /// -1: not open.
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
    Fd fd_;
    std::string path_;
    unsigned long inode_ = 0;
};

}  // namespace ringtime::runtime
