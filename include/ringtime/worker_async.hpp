#pragma once
// Requests that stay open while others are served, for worker.hpp: Responder (answered later),
// Writer (an answer that is written bit by bit), Broadcast (one text to many answers), and post(),
// the way in for other threads.
//
//     struct Chat {
//         static constexpr unsigned concurrency = 1000;
//         Broadcast readers;
//         void fetch(Responder responder) {
//             readers.add(responder.start(Response::events()));
//             readers.send("data: somebody came\n\n");
//         }
//     };
//
// Nothing here waits. Everything but post() belongs to the worker's thread: to callbacks, to what
// was posted, and to a program's own loop (Server in worker.hpp). Callbacks run from the worker's
// loop, never inside a call of the app, except where one says so.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringtime/worker_messages.hpp"

namespace ringtime::worker {

namespace detail {

/// Hears that something has come for a request: bytes, room, or that it was given up.
class Watcher {
  public:
    Watcher() = default;
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;
    virtual ~Watcher() = default;
    virtual void progress() = 0;
};

/// A callback may replace itself, or destroy its owner.
template <typename... Values>
void call(std::function<void(Values...)> action, Values... values) {
    if (action) action(values...);
}

inline void respond_empty(rtw_request* handle, unsigned status) {
    api()->respond(handle, status, nullptr, 0, nullptr, 0);
}

}  // namespace detail

/// An answer that stays open. Its owner writes until finish(); one that is dropped before is cut,
/// so that the client does not take it for complete. When the client goes away it closes by itself.
class Writer {
  public:
    /// Bytes that write() keeps for a slow reader, beyond the shared memory.
    static constexpr size_t waiting_max = 64 * 1024;

    /// Closed.
    Writer() = default;
    Writer(Writer&&) noexcept = default;
    Writer& operator=(Writer&& other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~Writer() {
        if (is_open()) state_->fail();
    }

    /// False after finish(), and when the client has gone.
    bool is_open() const { return state_ && state_->handle; }
    /// All of it or nothing: what finds no room now is kept. False: closed, or the reader is so
    /// slow that waiting_max bytes are kept already.
    bool write(std::string_view data) { return is_open() && state_->write(data); }
    /// As many bytes as there is room for, possibly none; on_writable tells of new room.
    size_t write_some(std::string_view data) { return is_open() ? state_->write_some(data) : 0; }
    /// Bytes kept by write() that have found no room yet.
    size_t waiting() const { return is_open() ? state_->waiting.size() : 0; }
    /// What was written goes out now, not when the worker has nothing else to do.
    void flush() {
        if (is_open()) detail::api()->flush(state_->handle);
    }
    /// The answer is complete when what is kept has left.
    void finish() {
        if (is_open()) state_->finish(state_);
        state_.reset();
    }

    /// There is room again after a write found none or had to keep something.
    void on_writable(std::function<void()> action) {
        if (is_open()) state_->on_writable = std::move(action);
    }
    /// The client has gone. At once, when it already has.
    void on_closed(std::function<void()> action) {
        if (!is_open()) return action();
        state_->on_closed = std::move(action);
    }
    /// The request's body, or after a 101 what the client sends, part by part; an empty part is its
    /// end. What is there already is handed over at once; while bytes of write() wait for room,
    /// nothing is.
    void on_data(std::function<void(std::string_view)> action) {
        if (!is_open()) return;
        std::shared_ptr<State> state = state_;
        state->on_data = std::move(action);
        state->read();
    }

  private:
    friend class Responder;
    struct State final : detail::Watcher {
        explicit State(rtw_request* request) : handle(request) {}

        void progress() override {
            std::shared_ptr<State> kept = self.lock();
            if (detail::api()->aborted(handle)) return close();
            send_waiting();
            read();
            if (!handle || !waiting.empty()) return;
            if (finishing) return end();
            if (std::exchange(wants_room, false)) detail::call(on_writable);
        }
        bool write(std::string_view data) {
            if (waiting.size() >= waiting_max || detail::api()->aborted(handle)) {
                wants_room = true;
                return false;
            }
            size_t done = write_some(data);
            waiting.append(data.substr(done));
            return true;
        }
        size_t write_some(std::string_view data) {
            size_t done = 0;
            if (waiting.empty()) done = detail::api()->write_some(handle, data.data(), data.size());
            wants_room = wants_room || done < data.size();
            return done;
        }
        void send_waiting() {
            if (waiting.empty()) return;
            waiting.erase(0, detail::api()->write_some(handle, waiting.data(), waiting.size()));
        }
        void read() {
            rtw_text part{};
            while (handle && on_data && waiting.empty()) {
                rtw_read result = detail::api()->read(handle, &part);
                if (result == RTW_READ_DATA) {
                    detail::call(on_data, detail::view(part));
                    continue;
                }
                if (result == RTW_READ_END)
                    detail::call(std::exchange(on_data, nullptr), std::string_view());
                return;
            }
        }
        void finish(const std::shared_ptr<State>& state) {
            on_writable = nullptr;
            on_closed = nullptr;
            on_data = nullptr;
            if (waiting.empty()) return end();
            finishing = state;
        }
        void end() {
            detail::api()->finish(std::exchange(handle, nullptr));
            finishing.reset();
        }
        void fail() { detail::api()->fail(std::exchange(handle, nullptr)); }
        void close() {
            fail();
            finishing.reset();
            detail::call(std::exchange(on_closed, nullptr));
        }

        rtw_request* handle;
        std::string waiting;
        bool wants_room = false;
        std::function<void()> on_writable, on_closed;
        std::function<void(std::string_view)> on_data;
        std::weak_ptr<State> self;
        std::shared_ptr<State> finishing;  ///< Itself: nobody else waits for the rest to leave.
    };

    explicit Writer(rtw_request* handle) : state_(std::make_shared<State>(handle)) {
        state_->self = state_;
        detail::api()->set_context(handle, static_cast<detail::Watcher*>(state_.get()));
    }

    std::shared_ptr<State> state_;
};

/// A request that may be answered later, once. One that is dropped unanswered is answered 500.
class Responder {
  public:
    explicit Responder(rtw_request* handle) : handle_(handle) {}
    Responder(Responder&& other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)), watcher_(std::move(other.watcher_)) {}
    Responder& operator=(Responder&& other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(watcher_, other.watcher_);
        return *this;
    }
    ~Responder() {
        if (handle_) detail::respond_failed(take());
    }
    Request request() const { return Request(handle_); }
    /// A streaming `response` is produced before this returns: start() is for those that last.
    void answer(const Response& response) { detail::answer(take(), response); }
    /// The head now, the body as it comes. What `response` has as its body is written first.
    Writer start(const Response& response) {
        bool silent = detail::has_no_body(request(), response.status);
        rtw_request* handle = take();
        detail::FieldList fields(response.headers);
        if (detail::api()->aborted(handle)) {
            detail::api()->fail(handle);
            return {};
        }
        if (detail::api()->start(handle, response.status, fields.data(), fields.size(),
                                 response.length.value_or(RTW_UNKNOWN_LENGTH)) != 0) {
            detail::respond_failed(handle);
            return {};
        }
        if (silent) {
            detail::api()->finish(handle);
            return {};
        }
        Writer writer(handle);
        if (!response.body.empty()) writer.write(response.body);
        return writer;
    }
    /// Calls `then` with the whole body of the request, other requests being served meanwhile. More
    /// than `limit` bytes are answered 413; when the client goes away nothing is called.
    void gather(size_t limit, std::function<void(Responder, std::string)> then) {
        if (request().body_length().value_or(0) > limit) return detail::respond_empty(take(), 413);
        auto* gatherer = new Gatherer(take(), limit, std::move(then));
        gatherer->progress();
    }
    /// The client has gone; answering is harmless and tells nobody.
    bool cancelled() const { return detail::api()->aborted(handle_) != 0; }
    /// The same as a call, after which the Responder is best let go of: its place is taken until
    /// then. At once, when the client has gone already.
    void on_cancel(std::function<void()> action) {
        if (cancelled()) return action();
        watcher_ = std::make_unique<Canceller>(handle_, std::move(action));
        detail::api()->set_context(handle_, watcher_.get());
    }

  private:
    struct Canceller final : detail::Watcher {
        Canceller(rtw_request* request, std::function<void()> call)
            : handle(request), action(std::move(call)) {}
        void progress() override {
            if (detail::api()->aborted(handle)) detail::call(std::exchange(action, nullptr));
        }
        rtw_request* handle;
        std::function<void()> action;
    };
    /// Nobody's until it has all.
    struct Gatherer final : detail::Watcher {
        Gatherer(rtw_request* request, size_t most,
                 std::function<void(Responder, std::string)> call)
            : handle(request), limit(most), then(std::move(call)) {
            detail::api()->set_context(handle, static_cast<detail::Watcher*>(this));
        }
        void progress() override {
            rtw_text part{};
            rtw_read result;
            while ((result = detail::api()->read(handle, &part)) == RTW_READ_DATA) {
                if (part.size > limit - body.size()) return end(413);
                body += detail::view(part);
            }
            if (result == RTW_READ_ABORTED) return end(500);
            if (result == RTW_READ_PENDING) return;
            detail::api()->set_context(handle, nullptr);
            std::unique_ptr<Gatherer> mine(this);
            then(Responder(handle), std::move(body));
        }
        void end(unsigned status) {
            std::unique_ptr<Gatherer> mine(this);
            detail::respond_empty(handle, status);
        }
        rtw_request* handle;
        size_t limit;
        std::function<void(Responder, std::string)> then;
        std::string body;
    };

    rtw_request* take() {
        if (watcher_) detail::api()->set_context(handle_, nullptr);
        return std::exchange(handle_, nullptr);
    }

    rtw_request* handle_;
    std::unique_ptr<detail::Watcher> watcher_;
};

/// Answers that are all written the same, as those of server-sent events.
class Broadcast {
  public:
    void add(Writer writer) {
        if (writers_.size() >= looked_at_ * 2 + 16) forget_closed();
        writers_.push_back(std::move(writer));
    }
    /// Cuts those whose reader is too slow; they are told nothing false, and come again.
    void send(std::string_view text) {
        for (Writer& writer : writers_)
            if (!writer.write(text)) writer = {};
        forget_closed();
    }
    size_t size() const {
        return static_cast<size_t>(std::count_if(
            writers_.begin(), writers_.end(), [](const Writer& each) { return each.is_open(); }));
    }

  private:
    void forget_closed() {
        writers_.erase(std::remove_if(writers_.begin(), writers_.end(),
                                      [](const Writer& each) { return !each.is_open(); }),
                       writers_.end());
        looked_at_ = writers_.size();
    }

    std::vector<Writer> writers_;
    size_t looked_at_ = 0;  ///< How many there were when those that had gone were last forgotten.
};

/// From any thread: `action` soon runs on the worker's own, where it may use everything here.
inline void post(std::function<void()> action) {
    const rtw_api* api = detail::api();
    if (api->struct_size < offsetof(rtw_api, post) + sizeof api->post)
        throw std::runtime_error("this gateway is older than post()");
    auto held = std::make_unique<std::function<void()>>(std::move(action));
    auto run = [](void* argument) {
        std::unique_ptr<std::function<void()>> mine(static_cast<std::function<void()>*>(argument));
        detail::guarded("posted", *mine);
    };
    if (api->post(run, held.get()) != 0) throw std::bad_alloc();
    held.release();
}

}  // namespace ringtime::worker
