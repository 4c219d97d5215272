#pragma once
// Upstream servers of a simulated world. What they answer, and how badly, is written in the query
// of the request: id (of the bodies), size (of the answer), how (its framing) and fault. They check
// that what the gateway sends them is a well-formed message with the body that the client sent.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "ring/sim/sim_world.h"

namespace ringtime::sim {

enum class Framed : uint8_t { length, chunked, until_close };

enum class OriginFault : uint8_t {
    none,
    no_answer,     ///< Closes instead of answering.
    reset_early,   ///< Resets instead of answering.
    garbage,       ///< Something that is not HTTP.
    cut_by_fin,    ///< FIN in the middle of the body.
    cut_by_reset,
    silence,       ///< Never answers.
    before_body,   ///< Answers without having read the request's body.
    interim,       ///< Not a fault: 103 before the answer.
    early,         ///< Nor this: answers the head, takes the body, and keeps the connection.
    count_,
    drip = count_,  ///< On request only: a chunk each second, without end.
    deaf,          ///< On request only: takes what it was sent with the head, and no more.
};

/// Which connection of which server has seen a request: for those that must not be repeated.
using Ledger = std::map<uint64_t, const ring::SimPeer*>;

class Origin {
 public:
    Origin(ring::SimWorld& world, uint16_t port, Ledger& ledger);
    [[nodiscard]] uint64_t requests() const noexcept { return requests_; }

 private:
    void on_change(ring::SimPeer& peer);
    [[nodiscard]] const std::string& expected_body(uint64_t id, size_t size);
    void drip(ring::SimPeer& peer);
    void answer(ring::SimPeer& peer, uint64_t id, std::string_view target, bool has_body);

    ring::SimWorld& world_;
    Ledger& ledger_;
    std::set<std::pair<const ring::SimPeer*, uint64_t>> answered_early_;
    uint64_t requests_ = 0;
    std::map<uint64_t, std::string> bodies_;
};

}  // namespace ringtime::sim
