#include "exchange/admin_door.h"

#include "exchange/core.h"
#include "ring/direct.h"

namespace ringtime::exchange {

void AdminDoor::accepted(int fd, const net::PeerAddress& peer, net::Preface preface) noexcept {
    if (!ring::peer_is_our_user(fd)) return ring::close_socket(fd);
    core_.accept(fd, peer, preface, Entrance::admin_socket);
}

bool AdminDoor::can_accept() const noexcept {
    return !core_.draining() &&
           core_.connection_count() < core_.settings.connections_max + limits::admin_connections;
}

}  // namespace ringtime::exchange
