// The scripted far ends.

#include <algorithm>
#include <utility>

#include "ring/sim/sim_world.h"

namespace ringtime::ring {

SimPeer::SimPeer(SimWorld& world, std::shared_ptr<SimLink> link, SimLink::Side side)
    : world_(world), link_(std::move(link)), side_(side), number_(world.peers().size()) {
    link_->set_peer(side, this);
}

void SimPeer::send(std::string_view bytes) {
    outbox_.append(bytes);
    pump();
}

void SimPeer::half_close() {
    finish_wanted_ = true;
    pump();
}

void SimPeer::close() {
    close_wanted_ = true;
    pump();
}

void SimPeer::reset() {
    if (std::exchange(gone_, true)) return;
    outbox_.clear();
    link_->abort(side_);
    link_->close(side_);
}

void SimPeer::resume_reading() {
    reading_ = true;
    arrival();
}

void SimPeer::read_slowly(size_t bytes, Nanoseconds pause) noexcept {
    read_max_ = bytes;
    read_pause_ = pause;
}

void SimPeer::pump_soon() {
    if (std::exchange(pump_scheduled_, true)) return;
    world_.after(world_.latency(), [this] {
        pump_scheduled_ = false;
        pump();
    });
}

void SimPeer::pump() {
    if (gone_) return;
    outbox_.consume(link_->write(side_, outbox_.view()));
    // A dead connection swallows the rest: the script learns of it through broken().
    if (link_->dead(side_)) outbox_.clear();
    if (!outbox_.empty()) return;
    if (finish_wanted_ || close_wanted_) {
        world_.remember("peer sends its end", static_cast<int64_t>(number_), close_wanted_);
        link_->shut_write(side_);
    }
    if (close_wanted_) {
        gone_ = true;
        link_->close(side_);
    }
}

void SimPeer::arrival() {
    if (gone_) return;
    if (link_->take_error(side_) != 0) {
        // Many systems throw away what was not read when a reset arrives; so does this peer.
        broken_ = true;
        world_.remember("peer sees a reset", static_cast<int64_t>(number_));
        outbox_.clear();
        tell();
        return;
    }
    if (!reading_ || read_scheduled_) return;
    if (read_pause_ == 0) {
        read();
        return;
    }
    read_scheduled_ = true;
    world_.after(read_pause_, [this] {
        read_scheduled_ = false;
        if (!gone_ && !broken_ && reading_) read();
    });
}

// A script may replace itself from inside.
void SimPeer::tell() {
    const auto script = on_change;
    if (script) script(*this);
}

void SimPeer::read() {
    const std::string_view bytes = link_->arrived(side_);
    const size_t size = std::min(bytes.size(), read_max_);
    const bool finished = size == bytes.size() && link_->ended(side_) && !ended_;
    if (size == 0 && !finished) return;
    world_.remember(finished ? "peer reads the end" : "peer reads", static_cast<int64_t>(number_),
                    static_cast<int64_t>(size));
    received_.append(bytes.substr(0, size));
    link_->consume(side_, size);
    if (finished) ended_ = true;
    tell();
    if (gone_) return;
    if (!ended_ && (!link_->arrived(side_).empty() || link_->ended(side_))) arrival();
}

}  // namespace ringtime::ring
