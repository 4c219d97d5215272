#pragma once
// One simulated TCP connection: two directions of bytes, each with a window, segments on their way
// and bytes that arrived. What TCP keeps, it keeps: order, no loss without a reset, FIN behind the
// data. What TCP leaves open, the seed decides: how bytes are cut, when they arrive, whether a
// reset overtakes data. Both ends may be a gateway's socket or a scripted peer. Single-threaded,
// part of one SimWorld.

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "ring/sim/sim_bytes.h"

namespace ringtime::ring {

class SimPeer;
class SimWorld;

class SimLink : public std::enable_shared_from_this<SimLink> {
 public:
    enum class Side : unsigned { client, server };

    explicit SimLink(SimWorld& world);

    /// Whoever plays this side as a script; null for a gateway's socket.
    void set_peer(Side side, SimPeer* peer) noexcept { end(side).peer = peer; }

    /// Bytes `side` may write now.
    [[nodiscard]] size_t room(Side side) const noexcept;
    /// Takes as many bytes as there is room for.
    size_t write(Side side, std::string_view bytes);
    /// Bytes that `side` may read now.
    [[nodiscard]] std::string_view arrived(Side side) const noexcept;
    void consume(Side side, size_t size);

    /// Sends FIN behind the data.
    void shut_write(Side side);
    void shut_read(Side side) noexcept;
    /// The end is gone: FIN, or a reset when something arrived that nobody read.
    void close(Side side);
    /// Sends a reset; what was written and has not arrived may be lost.
    void abort(Side side);
    /// The network breaks the connection for both ends.
    void break_both();

    [[nodiscard]] bool write_shut(Side side) const noexcept { return end(side).write_shut; }
    /// Nothing more will arrive at `side`: the other's FIN, its own shut_read(), or a reset.
    [[nodiscard]] bool ended(Side side) const noexcept;
    [[nodiscard]] bool dead(Side side) const noexcept { return end(side).dead; }
    /// The errno that a reset left for the next call of `side`, which takes it; 0 when there is
    /// none.
    [[nodiscard]] int take_error(Side side) noexcept;
    [[nodiscard]] bool has_error(Side side) const noexcept { return end(side).error != 0; }
    [[nodiscard]] bool closed() const noexcept { return ends_[0].closed && ends_[1].closed; }

 private:
    struct Direction {
        SimBytes travelling;
        SimBytes arrived;
        Nanoseconds last_arrival = 0;
        uint64_t epoch = 0;  ///< Segments of an earlier one were lost to a reset.
        bool fin_arrived = false;
    };
    struct End {
        SimPeer* peer = nullptr;
        int error = 0;
        bool closed = false;
        bool dead = false;
        bool write_shut = false;
        bool read_shut = false;
    };

    [[nodiscard]] static Side other(Side side) noexcept {
        return side == Side::client ? Side::server : Side::client;
    }
    [[nodiscard]] End& end(Side side) noexcept { return ends_[static_cast<unsigned>(side)]; }
    [[nodiscard]] const End& end(Side side) const noexcept {
        return ends_[static_cast<unsigned>(side)];
    }
    [[nodiscard]] Direction& toward(Side side) noexcept {
        return directions_[static_cast<unsigned>(side)];
    }
    [[nodiscard]] const Direction& toward(Side side) const noexcept {
        return directions_[static_cast<unsigned>(side)];
    }

    void send_segment(Side from, size_t size);
    void deliver(Side to, size_t size);
    void kill(Side side);
    void notify(Side side);

    SimWorld& world_;
    size_t window_;
    Direction directions_[2];  ///< By the side they lead to.
    End ends_[2];
};

}  // namespace ringtime::ring
