#pragma once
// Lets the operator in: takes connections of the admin socket when their process runs as our user
// or as root, whatever the mode of the file says by then. Belongs to its core, and takes a few
// connections beyond what the core takes from the public.

#include "net/listener.h"

namespace ringtime::exchange {

class Core;

class AdminDoor final : public net::Acceptor {
 public:
    explicit AdminDoor(Core& core) noexcept : core_(core) {}

    void accepted(int fd, const net::PeerAddress& peer, net::Preface preface) noexcept override;
    [[nodiscard]] bool can_accept() const noexcept override;

 private:
    Core& core_;
};

}  // namespace ringtime::exchange
