#pragma once
// A core, a supervisor and real worker processes in one test: the test's thread drives both loops
// by turns, so nothing sleeps for ordering.

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "loop/reactor.h"
#include "worker/core_pool.h"
#include "worker/supervisor.h"

namespace ringtime::worker::test {

/// Plays the exchange for one request: sends a body, gathers the answer.
class Client final : public loop::Runnable {
  public:
    Client(CorePool& pool, WorkerRequest request, std::string body = {});
    ~Client();
    void run() noexcept override;

    [[nodiscard]] bool done() const noexcept { return done_; }
    [[nodiscard]] uint16_t status() const noexcept { return status_; }
    [[nodiscard]] Reason reason() const noexcept { return error_.reason; }
    /// Ends the exchange now, as when a client goes away.
    void release();
    /// Sends the body that an `unfinished` request held back.
    void finish();

    std::string received;
    std::string field_text;  ///< `name: value` lines of the head.
    uint64_t received_bytes = 0;
    bool keep_bytes = true;
    bool hold_pieces = false;  ///< A client that does not read: pieces pile up here.
    bool use_reserve = false;  ///< Bodies go straight into the worker's region.
    uint32_t pull_max = 65536;
    bool hold_body = false;  ///< A client that stops inside its body.
    uint64_t body_left = 0;  ///< Of a generated body.
    std::vector<Piece> pieces;
    http::FieldTable table;
    http::FieldDraft draft;

    void drop_pieces();

  private:
    void send_body();
    void read_body();
    void end(Error error);

    CorePool& pool_;
    http::Answer* answer_ = nullptr;
    std::string body_;
    size_t sent_ = 0;
    bool finished_ = false;
    bool done_ = false;
    uint16_t status_ = 0;
    Error error_;
};

using Clients = std::vector<std::unique_ptr<Client>>;
[[nodiscard]] bool all_done(const Clients& clients);

class World {
  public:
    explicit World(std::vector<AppSpec> apps, std::function<void(SupervisorOptions&)> change = {});
    ~World();

    /// Turns everything until `condition`, for at most `milliseconds`. False: it did not come. The
    /// limit is for what hangs, not for what is slow.
    bool until(const std::function<bool()>& condition, uint64_t milliseconds = 60'000);
    void run_for(uint64_t milliseconds) {
        until([] { return false; }, milliseconds);
    }
    [[nodiscard]] static WorkerRequest request(std::string_view path, std::string_view query = {},
                                               http::Method method = http::Method::get);
    /// One request, start to end.
    std::unique_ptr<Client> fetch(WorkerRequest request, std::string body = {});
    /// A request that keeps a worker of `app` busy until it is told to finish; it gets `1` then.
    std::unique_ptr<Client> unfinished(uint32_t app = 0);
    /// How many requests workers are at.
    [[nodiscard]] uint32_t in_flight() const;
    void close();

    [[nodiscard]] CorePool& pool() { return *pool_; }
    [[nodiscard]] Supervisor& supervisor() { return *supervisor_; }
    [[nodiscard]] loop::Reactor& reactor() { return *reactor_; }

  private:
    std::unique_ptr<ring::Ring> ring_;
    std::unique_ptr<loop::Reactor> reactor_;
    std::unique_ptr<Supervisor> supervisor_;
    std::unique_ptr<CorePool> pool_;
};

/// For what shall not be cut.
inline Nanoseconds in_a_minute() { return monotonic_now() + 60 * kNanosecondsPerSecond; }

[[nodiscard]] AppSpec plain_app();
[[nodiscard]] AppSpec program_app(const char* name);
[[nodiscard]] AppSpec module_app(const char* name);

}  // namespace ringtime::worker::test
