#include "ring/sim/sim_link.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ring/sim/sim_world.h"

namespace ringtime::ring {

SimLink::SimLink(SimWorld& world)
    : world_(world), window_(world.random().between((world.faults().window_bytes + 3) / 4,
                                     world.faults().window_bytes)) {}

size_t SimLink::room(Side side) const noexcept {
    const Direction& way = toward(other(side));
    const size_t used = way.travelling.size() + way.arrived.size();
    return used < window_ ? window_ - used : 0;
}

size_t SimLink::write(Side side, std::string_view bytes) {
    const size_t accepted = std::min(bytes.size(), room(side));
    if (end(side).dead || end(side).write_shut) return 0;
    if (accepted > 0) world_.changed();
    toward(other(side)).travelling.append(bytes.substr(0, accepted));
    for (size_t left = accepted; left > 0;) {
        const auto size = std::min<size_t>(
            left, world_.random().between(1, world_.faults().segment_bytes_max));
        send_segment(side, size);
        left -= size;
    }
    return accepted;
}

void SimLink::send_segment(Side from, size_t size) {
    const Side to = other(from);
    Direction& way = toward(to);
    way.last_arrival = std::max(way.last_arrival, world_.now() + world_.latency());
    const bool breaks = world_.random().chance(world_.faults().network_reset);
    world_.at(way.last_arrival, [self = shared_from_this(), to, size, breaks, epoch = way.epoch] {
        if (self->toward(to).epoch != epoch) return;
        if (breaks) {
            ++self->world_.counters().network_resets;
            self->break_both();
        } else {
            self->deliver(to, size);
        }
    });
}

void SimLink::deliver(Side to, size_t size) {
    Direction& way = toward(to);
    if (end(to).closed) {
        // Bytes for somebody who left: TCP answers with a reset, which may overtake the last
        // answer.
        abort(to);
        return;
    }
    way.arrived.append(way.travelling.view().substr(0, size));
    way.travelling.consume(size);
    notify(to);
}

std::string_view SimLink::arrived(Side side) const noexcept { return toward(side).arrived.view(); }

void SimLink::consume(Side side, size_t size) {
    world_.changed();
    toward(side).arrived.consume(size);
    if (SimPeer* writer = end(other(side)).peer) writer->pump_soon();
}

void SimLink::shut_write(Side side) {
    if (std::exchange(end(side).write_shut, true) || end(side).dead) return;
    world_.changed();
    const Side to = other(side);
    Direction& way = toward(to);
    way.last_arrival = std::max(way.last_arrival, world_.now() + world_.latency());
    world_.at(way.last_arrival, [self = shared_from_this(), to, epoch = way.epoch] {
        if (self->toward(to).epoch != epoch) return;
        self->toward(to).fin_arrived = true;
        self->notify(to);
    });
}

void SimLink::shut_read(Side side) noexcept {
    end(side).read_shut = true;
    world_.changed();
}

void SimLink::close(Side side) {
    if (std::exchange(end(side).closed, true)) return;
    if (!toward(side).arrived.empty() && !end(side).dead) {
        abort(side);
    } else {
        shut_write(side);
    }
}

void SimLink::abort(Side side) {
    if (std::exchange(end(side).dead, true)) return;
    world_.changed();
    const Side to = other(side);
    toward(side).travelling.clear();
    ++toward(side).epoch;
    Direction& way = toward(to);
    Nanoseconds when = world_.now() + world_.latency();
    if (world_.random().chance(500)) when = std::max(when, way.last_arrival);
    world_.at(when, [self = shared_from_this(), to] { self->kill(to); });
}

void SimLink::break_both() {
    kill(Side::client);
    kill(Side::server);
}

void SimLink::kill(Side side) {
    if (std::exchange(end(side).dead, true)) return;
    world_.changed();
    Direction& way = toward(side);
    way.travelling.clear();
    ++way.epoch;
    end(side).error = ECONNRESET;
    notify(side);
}

bool SimLink::ended(Side side) const noexcept {
    return toward(side).fin_arrived || end(side).read_shut || end(side).dead;
}

int SimLink::take_error(Side side) noexcept { return std::exchange(end(side).error, 0); }

void SimLink::notify(Side side) {
    if (SimPeer* peer = end(side).peer; peer && !end(side).closed) peer->arrival();
}

}  // namespace ringtime::ring
