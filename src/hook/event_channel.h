#pragma once
// Server-sent events (HTML, section 9.2): a channel of a plugin that clients subscribe to on any
// core and that any thread publishes on. An event is encoded once; each core with subscribers gets
// it through its mailbox and puts it into their queues. A subscriber whose queue is full is dropped
// and counted: its stream ends, and it may come again with Last-Event-ID. Channels belong to their
// plugin; a subscriber is the answer of its exchange and belongs to that.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/counter.h"
#include "base/list.h"
#include "base/shared_bytes.h"
#include "hook/core.h"
#include "hook/wake.h"
#include "http/body.h"
#include "http/head.h"
#include "loop/timer.h"

namespace ringtime::hook {

class Plugin;

/// An event as it is sent. Null when it is not valid, or without memory.
[[nodiscard]] SharedBytes* encode_event(const ringtime_event& event) noexcept;

class EventChannel;

/// One subscriber: the answer to its request, without an end of its own.
class EventStream final : public http::Answer, private http::BodySource, public ListNode {
 public:
    ~EventStream();

    /// The event goes out after what waits already. False when too much waits: it is dropped.
    bool offer(SharedBytes& text) noexcept;
    /// Nothing more comes; what waits still goes out.
    void end() noexcept;

    [[nodiscard]] Phase advance() noexcept override { return Phase::headed; }
    [[nodiscard]] const http::ResponseHead& head() const noexcept override { return head_; }
    [[nodiscard]] http::BodySource& body() noexcept override { return *this; }
    [[nodiscard]] http::BodySink* request_body() noexcept override { return nullptr; }
    [[nodiscard]] Error error() const noexcept override { return {}; }
    void release() noexcept override;

 private:
    friend class EventChannel;
    EventStream(EventChannel& channel, unsigned core, const Wake& wake) noexcept
        : channel_(channel), core_(core), wake_(wake) {}
    [[nodiscard]] bool prepare(const ringtime_field_line* lines, size_t count,
                               size_t first_count) noexcept;
    [[nodiscard]] http::Pull pull(Piece& out, uint32_t max) noexcept override;
    [[nodiscard]] uint64_t length() const noexcept override { return unknown_length; }

    EventChannel& channel_;
    unsigned core_;
    Wake wake_;
    http::ResponseHead head_;
    std::unique_ptr<char[]> text_;       ///< Of the head.
    std::unique_ptr<SharedBytes*[]> queue_;  ///< A ring.
    uint32_t capacity_ = 0;  ///< The channel's events_max, beside those it begins with.
    uint32_t first_ = 0;
    uint32_t count_ = 0;
    uint32_t sent_of_first_ = 0;
    bool ended_ = false;
};

class EventChannel {
 public:
    /// Waiting for one subscriber, by default and at most.
    static constexpr uint32_t events_default = 64;
    static constexpr uint32_t events_most = 4096;
    static constexpr Milliseconds heartbeat_default = 15'000;
    /// One event; larger ones are refused.
    static constexpr size_t event_bytes_max = 256 * 1024;

    EventChannel(Plugin& plugin, std::string name, const ringtime_channel_options& options);
    EventChannel(const EventChannel&) = delete;
    EventChannel& operator=(const EventChannel&) = delete;

    /// The core's thread. There is room for `first_count` events, at most events_most, before those
    /// that are published. Null without memory or when a line may not be sent (`why` says which).
    [[nodiscard]] EventStream* subscribe(unsigned core, const Wake& wake,
                                         std::span<const ringtime_field_line> lines,
                                         size_t first_count, ringtime_status& why) noexcept;
    /// Any thread; see ringtime_host::publish.
    [[nodiscard]] ringtime_status publish(const ringtime_event& event) noexcept;
    /// The core's thread: every stream there ends.
    void close(unsigned core) noexcept;
    [[nodiscard]] ringtime_channel_counts counts() const noexcept;
    [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
    friend class EventStream;
    struct alignas(128) Part {
        EventChannel* channel = nullptr;
        HookCore* core = nullptr;
        List<EventStream> streams;
        loop::Timer heartbeat;
        bool ended = false;  ///< Who subscribes from now on gets nothing but an end.
        bool quiet = true;   ///< Nothing was delivered since the last heartbeat.
        std::atomic<uint32_t> subscribers{0};
        Counter delivered;
        Counter dropped;
    };
    struct Delivery;

    void deliver(Part& part, SharedBytes& text) noexcept;
    void leave(EventStream& stream) noexcept;
    static void on_heartbeat(loop::Timer& timer) noexcept;

    Plugin& plugin_;
    std::string name_;
    uint32_t events_max_;
    Milliseconds heartbeat_ms_;
    std::unique_ptr<Part[]> parts_;  ///< One per core.
    std::atomic<uint64_t> published_{0};
};

}  // namespace ringtime::hook
