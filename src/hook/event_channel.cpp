#include "hook/event_channel.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "hook/answer.h"
#include "hook/plugin.h"
#include "http/head_builder.h"

namespace ringtime::hook {
namespace {

// A comment: keeps a quiet connection, and the proxies on its way, awake.
constexpr std::string_view kHeartbeat = ":\n\n";

/// Appends to memory that was measured before.
class Writer {
 public:
    explicit Writer(char* at) noexcept : at_(at) {}
    void put(std::string_view text) noexcept {
        if (at_) std::memcpy(at_ + size_, text.data(), text.size());
        size_ += text.size();
    }
    [[nodiscard]] size_t size() const noexcept { return size_; }

 private:
    char* at_;
    size_t size_ = 0;
};

bool has_line_break(std::string_view text) noexcept {
    return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

/// Lines end with CR, LF or both together; each gets its own `data:`.
void write_data(Writer& out, std::string_view data) noexcept {
    for (;;) {
        size_t end = data.find_first_of("\r\n");
        out.put("data: ");
        out.put(data.substr(0, end));
        out.put("\n");
        if (end == std::string_view::npos) return;
        bool both = data[end] == '\r' && end + 1 < data.size() && data[end + 1] == '\n';
        data.remove_prefix(end + (both ? 2 : 1));
    }
}

size_t write_event(char* at, const ringtime_event& event) noexcept {
    Writer out(at);
    if (event.id.data) {
        out.put("id: ");
        out.put(to_view(event.id));
        out.put("\n");
    }
    if (event.event.data) {
        out.put("event: ");
        out.put(to_view(event.event));
        out.put("\n");
    }
    write_data(out, to_view(event.data));
    out.put("\n");
    return out.size();
}

}  // namespace

SharedBytes* encode_event(const ringtime_event& event) noexcept {
    if (event.struct_size < sizeof event || has_line_break(to_view(event.event)) ||
        has_line_break(to_view(event.id)))
        return nullptr;
    size_t size = write_event(nullptr, event);
    if (size > EventChannel::event_bytes_max) return nullptr;
    SharedBytes* made = SharedBytes::make(size);
    if (made) (void)write_event(made->bytes(), event);
    return made;
}

// --- Subscribers ---

EventStream::~EventStream() {
    while (count_ > 0) {
        queue_[first_]->drop();
        first_ = (first_ + 1) % capacity_;
        --count_;
    }
}

bool EventStream::prepare(const ringtime_field_line* lines, size_t count,
                          size_t first_count) noexcept {
    constexpr std::string_view type = "text/event-stream";
    constexpr std::string_view fresh = "no-store";
    size_t size = 256;
    for (size_t i = 0; i < count; ++i) size += lines[i].name.size + lines[i].value.size;
    text_.reset(new (std::nothrow) char[size]);
    capacity_ = channel_.events_max_ + static_cast<uint32_t>(first_count);
    queue_.reset(new (std::nothrow) SharedBytes*[capacity_]);
    if (!text_ || !queue_) return false;
    http::HeadBuilder builder(head_, 200, text_.get(), size);
    builder.add(http::FieldId::content_type, type);
    builder.add(http::FieldId::cache_control, fresh);
    for (size_t i = 0; i < count; ++i) builder.add(to_view(lines[i].name), to_view(lines[i].value));
    return builder.ok();
}

bool EventStream::offer(SharedBytes& text) noexcept {
    if (ended_) return true;
    if (count_ == capacity_) {
        end();
        return false;
    }
    text.take();
    queue_[(first_ + count_) % capacity_] = &text;
    ++count_;
    wake_();
    return true;
}

void EventStream::end() noexcept {
    if (ended_) return;
    ended_ = true;
    wake_();
}

http::Pull EventStream::pull(Piece& out, uint32_t max) noexcept {
    if (count_ == 0) return ended_ ? http::Pull::end : http::Pull::pending;
    SharedBytes& text = *queue_[first_];
    std::string_view rest = text.view().substr(sent_of_first_);
    auto size = static_cast<uint32_t>(std::min<size_t>(rest.size(), max));
    out = text.piece(rest.substr(0, size));
    sent_of_first_ += size;
    if (size == rest.size()) {
        sent_of_first_ = 0;
        first_ = (first_ + 1) % capacity_;
        --count_;
        text.drop();
    }
    return http::Pull::data;
}

void EventStream::release() noexcept {
    channel_.leave(*this);
    delete this;
}

// --- Channels ---

/// An event on its way to a core; keeps the plugin, and with it the channel.
struct EventChannel::Delivery {
    PluginRef plugin;
    Part* part;
    SharedBytes* text;
};

EventChannel::EventChannel(Plugin& plugin, std::string name,
                           const ringtime_channel_options& options)
    : plugin_(plugin),
      name_(std::move(name)),
      events_max_(std::min(options.events_max ? options.events_max : events_default, events_most)),
      heartbeat_ms_(options.heartbeat_ms ? options.heartbeat_ms : heartbeat_default),
      parts_(std::make_unique<Part[]>(plugin.host_cores().count())) {
    for (unsigned i = 0; i < plugin.host_cores().count(); ++i) {
        parts_[i].channel = this;
        parts_[i].core = &plugin.host_cores()[i];
        parts_[i].heartbeat.owner = &parts_[i];
        parts_[i].heartbeat.on_expire = &on_heartbeat;
    }
}

EventStream* EventChannel::subscribe(unsigned core, const Wake& wake,
                                     std::span<const ringtime_field_line> lines,
                                     size_t first_count, ringtime_status& why) noexcept {
    for (const ringtime_field_line& line : lines) {
        why = check_line(to_view(line.name), to_view(line.value));
        if (why != RINGTIME_OK) return nullptr;
    }
    why = RINGTIME_LIMIT;
    if (first_count > events_most) return nullptr;
    std::unique_ptr<EventStream> made(new (std::nothrow) EventStream(*this, core, wake));
    if (!made || !made->prepare(lines.data(), lines.size(), first_count)) return nullptr;
    Part& part = parts_[core];
    part.streams.push_back(*made);
    if (part.ended) made->ended_ = true;
    if (part.subscribers.fetch_add(1, std::memory_order_relaxed) == 0) {
        part.quiet = true;
        CorePort& port = part.core->port();
        port.arm(part.heartbeat, port.now() + from_milliseconds(heartbeat_ms_));
    }
    why = RINGTIME_OK;
    return made.release();
}

void EventChannel::leave(EventStream& stream) noexcept {
    Part& part = parts_[stream.core_];
    stream.unlink();
    if (part.subscribers.fetch_sub(1, std::memory_order_relaxed) == 1)
        part.core->port().disarm(part.heartbeat);
}

void EventChannel::deliver(Part& part, SharedBytes& text) noexcept {
    part.quiet = false;
    for (EventStream* stream = part.streams.front(); stream; stream = part.streams.next(*stream)) {
        if (stream->ended_) continue;
        if (stream->offer(text)) {
            ++part.delivered;
        } else {
            ++part.dropped;
        }
    }
}

ringtime_status EventChannel::publish(const ringtime_event& event) noexcept {
    SharedBytes* text = encode_event(event);
    if (!text) return RINGTIME_INVALID;
    published_.fetch_add(1, std::memory_order_relaxed);
    ringtime_status result = RINGTIME_OK;
    for (unsigned i = 0; i < plugin_.host_cores().count(); ++i) {
        Part& part = parts_[i];
        if (part.subscribers.load(std::memory_order_relaxed) == 0) continue;
        std::unique_ptr<Delivery> delivery(
            new (std::nothrow) Delivery{plugin_.shared_from_this(), &part, text});
        text->take();
        auto arrive = [](void* context, uint64_t) noexcept {
            std::unique_ptr<Delivery> arrived(static_cast<Delivery*>(context));
            arrived->part->channel->deliver(*arrived->part, *arrived->text);
            arrived->text->drop();
        };
        auto posted = HookCore::Posted::full;
        if (delivery) posted = part.core->post({arrive, delivery.get(), 0});
        if (posted == HookCore::Posted::yes) {
            (void)delivery.release();
            continue;
        }
        text->drop();
        if (posted == HookCore::Posted::full) result = RINGTIME_AGAIN;
    }
    text->drop();
    return result;
}

void EventChannel::close(unsigned core) noexcept {
    Part& part = parts_[core];
    part.ended = true;
    for (EventStream* stream = part.streams.front(); stream; stream = part.streams.next(*stream))
        stream->end();
}

void EventChannel::on_heartbeat(loop::Timer& timer) noexcept {
    Part& part = *static_cast<Part*>(timer.owner);
    CorePort& port = part.core->port();
    port.arm(timer, port.now() + from_milliseconds(part.channel->heartbeat_ms_));
    if (!std::exchange(part.quiet, true)) return;
    SharedBytes* comment = SharedBytes::make(kHeartbeat.size());
    if (!comment) return;
    std::memcpy(comment->bytes(), kHeartbeat.data(), kHeartbeat.size());
    // Whoever has something waiting hears of us anyway.
    for (EventStream* stream = part.streams.front(); stream; stream = part.streams.next(*stream)) {
        if (stream->count_ == 0) (void)stream->offer(*comment);
    }
    comment->drop();
}

ringtime_channel_counts EventChannel::counts() const noexcept {
    ringtime_channel_counts sum{};
    sum.struct_size = sizeof sum;
    sum.published = published_.load(std::memory_order_relaxed);
    for (unsigned i = 0; i < plugin_.host_cores().count(); ++i) {
        sum.subscribers += parts_[i].subscribers.load(std::memory_order_relaxed);
        sum.delivered += parts_[i].delivered.value();
        sum.dropped += parts_[i].dropped.value();
    }
    return sum;
}

}  // namespace ringtime::hook
