#pragma once
// The sockets the gateway listens on: opened once by the process, before any thread, and shared by
// all cores. Errors name the address, the cause and the remedy.

#include <string>
#include <vector>

#include "base/fd.h"
#include "config/settings.h"
#include "net/listener.h"

namespace ringtime::runtime {

struct ListenSocket {
    Fd fd;
    net::Preface preface = net::Preface::none;
    std::string text;  ///< For messages: `http://127.0.0.1:8000`, `unix:/run/x.sock`.
};

/// Takes the addresses, all of them or none; nobody can connect yet. One that is in use is tried
/// for 3 s. False when one cannot be had, with `problem` for the operator.
[[nodiscard]] bool bind_listeners(const std::vector<config::ListenAddress>& addresses,
                                  std::vector<ListenSocket>& out, std::string& problem);
/// What connections to the bound socket `fd` begin with, when `addresses` name its address.
[[nodiscard]] net::Preface preface_of(int fd,
                                      const std::vector<config::ListenAddress>& addresses);
/// From here on clients can connect.
[[nodiscard]] bool start_listening(const std::vector<ListenSocket>& sockets, std::string& problem);

}  // namespace ringtime::runtime
