#pragma once
// A client of the gateway in a simulated world: sends planned requests, pipelined or one after the
// other, at its own pace and with its own bad manners, and judges what it got: for each request, in
// order, exactly the right bytes or a failure that it can see.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http_text.h"
#include "origin.h"
#include "ring/sim/sim_world.h"

namespace ringtime::sim {

/// One request and what may come of it.
struct Planned {
    std::string bytes;
    Kind kind = Kind::answer;
    std::string body;            ///< Of a successful answer.
    std::vector<int> failures;   ///< Statuses that are right answers too.
    bool must_succeed = false;   ///< Nothing stands in its way.
    bool ends_connection = false;
    int success = 200;

    [[nodiscard]] bool uploads() const {
        return bytes.starts_with("POST") || bytes.starts_with("PUT");
    }
    /// Behind what `bytes` holds of the head: its end, and the body in a framing of the seed's.
    /// `old`: of HTTP/1.0.
    void add_rest(ring::SimRandom& random, const std::optional<std::string>& upload,
                  bool old = false);
};

struct Manners {
    bool pipelines = false;
    bool half_closes = false;
    Nanoseconds reset_after = 0;   ///< 0: does not.
    size_t read_bytes = SIZE_MAX;  ///< At a time, `read_pause` apart.
    Nanoseconds read_pause = 0;

    void may_read_slowly(ring::SimRandom& random);
};

class Client {
 public:
    Client(ring::SimWorld& world, int listener, std::vector<Planned> plan, const Manners& manners);
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Everything was answered, or the connection is over.
    [[nodiscard]] bool done() const noexcept { return done_; }
    /// Judges what was received; breaches go to the world.
    void judge();
    [[nodiscard]] size_t answered() const noexcept { return answered_; }

 private:
    void on_change();
    void send_next();
    void leave();
    void complain(const std::string& what);
    [[nodiscard]] bool judge_answer(const Planned& planned, const Message& answer, bool over);

    ring::SimWorld& world_;
    ring::SimPeer& peer_;
    std::vector<Planned> plan_;
    Manners manners_;
    size_t sent_ = 0;
    size_t seen_ = 0;       ///< Answers that were complete, while sending one by one.
    size_t seen_bytes_ = 0;
    size_t answered_ = 0;
    bool was_reset_ = false;
    bool done_ = false;
};

/// The clients of a scenario, each arriving at a time of its own within `period`.
class Crowd {
 public:
    using Intent = std::pair<std::vector<Planned>, Manners>;
    /// `make` is asked when one arrives.
    Crowd(ring::SimWorld& world, int listener, size_t count, Milliseconds period,
          std::function<Intent()> make);

    /// All have arrived and have what they came for, or are over.
    [[nodiscard]] bool done() const noexcept;
    /// How many answers they have; breaches go to the world.
    size_t judge();
    [[nodiscard]] size_t count() const noexcept { return count_; }

 private:
    size_t count_;
    std::function<Intent()> make_;
    std::vector<std::unique_ptr<Client>> clients_;
};

/// Of a body: what gets through in reasonable time (and work, cut into single bytes).
[[nodiscard]] size_t passable_bytes(const ring::SimFaults& faults, size_t most) noexcept;

}  // namespace ringtime::sim
