#include "hook/socket_endpoint.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "hook/plugin.h"
#include "hook/socket_link.h"
#include "http/websocket.h"

namespace ringtime::hook {
namespace {

// A name: core, slot and the slot's generation. Open generations are odd, so it is never 0.
constexpr unsigned kCoreShift = 56;
constexpr unsigned kSlotShift = 32;

constexpr uint32_t slot_of(ringtime_socket socket) noexcept {
    return static_cast<uint32_t>(socket >> kSlotShift) & 0xffffff;
}

SharedBytes* make_frame(http::SocketOpcode kind, std::string_view payload) noexcept {
    char head[http::socket_head_bytes_max];
    size_t size = http::write_socket_head(head, kind, http::SocketFrame::whole, payload.size());
    SharedBytes* frame = SharedBytes::make(size + payload.size());
    if (!frame) return nullptr;
    std::memcpy(frame->bytes(), head, size);
    if (!payload.empty()) std::memcpy(frame->bytes() + size, payload.data(), payload.size());
    return frame;
}

http::SocketOpcode opcode_of(ringtime_message_kind kind) noexcept {
    return kind == RINGTIME_MESSAGE_TEXT ? http::SocketOpcode::text : http::SocketOpcode::binary;
}

bool may_be_sent(ringtime_message_kind kind, std::string_view message) noexcept {
    if (kind == RINGTIME_MESSAGE_BINARY) return true;
    http::Utf8Check check;
    return kind == RINGTIME_MESSAGE_TEXT && check.take(message) && check.complete();
}

uint64_t bounded(uint64_t asked, uint64_t usual, uint64_t most) noexcept {
    return asked == 0 ? usual : std::min(asked, most);
}

}  // namespace

/// A frame, or a close, on its way to its core; keeps the plugin, and with it the endpoint.
struct SocketEndpoint::Delivery {
    PluginRef plugin;
    Part* part = nullptr;
    ringtime_socket socket = 0;    ///< 0: every socket there.
    SharedBytes* frame = nullptr;  ///< A reference; null for a close.
    uint16_t code = 0;
    std::string reason;
};

SocketEndpoint::SocketEndpoint(Plugin& plugin, std::string name,
                               const ringtime_endpoint_options& options)
    : plugin_(plugin),
      name_(std::move(name)),
      events_(options),
      parts_(std::make_unique<Part[]>(plugin.host_cores().count())) {
    SocketOptions usual;
    options_.ping = options.ping_ms ? options.ping_ms : usual.ping;
    options_.message_bytes_max =
        bounded(options.message_bytes_max, usual.message_bytes_max, message_bytes_most);
    options_.queue_bytes_max =
        bounded(options.queue_bytes_max, usual.queue_bytes_max, message_bytes_most);
    for (unsigned i = 0; i < plugin.host_cores().count(); ++i) {
        Part& part = parts_[i];
        part.endpoint = this;
        part.core = &plugin.host_cores()[i];
        part.plugin = &plugin.cores()[i];
        part.ping.owner = &part;
        part.ping.on_expire = &on_ping;
    }
}

SocketEndpoint::~SocketEndpoint() {
    for (unsigned i = 0; i < plugin_.host_cores().count(); ++i) {
        for (auto& page : parts_[i].pages) delete[] page.load();
    }
}

// --- Slots ---

SocketSlot* SocketEndpoint::slot_at(const Part& part, uint32_t index) const noexcept {
    if (index >= sockets_max) return nullptr;
    SocketSlot* page = part.pages[index / page_slots].load(std::memory_order_acquire);
    return page ? &page[index % page_slots] : nullptr;
}

/// Null when the socket is closed.
SocketSlot* SocketEndpoint::find(ringtime_socket socket) const noexcept {
    auto core = static_cast<unsigned>(socket >> kCoreShift);
    if (core >= plugin_.host_cores().count()) return nullptr;
    SocketSlot* slot = slot_at(parts_[core], slot_of(socket));
    bool open = slot && slot->generation.load(std::memory_order_acquire) ==
                            static_cast<uint32_t>(socket) && (socket & 1);
    return open ? slot : nullptr;
}

bool SocketEndpoint::take_slot(Part& part, uint32_t& index) noexcept {
    if (!part.free.empty()) {
        index = part.free.back();
        part.free.pop_back();
        return true;
    }
    if (part.slots == sockets_max) return false;
    auto& page = part.pages[part.slots / page_slots];
    if (!page.load(std::memory_order_relaxed)) {
        auto* made = new (std::nothrow) SocketSlot[page_slots];
        if (!made) return false;
        // So that giving one back never allocates.
        part.free.reserve(part.slots + page_slots);
        page.store(made, std::memory_order_release);
    }
    index = part.slots++;
    return true;
}

// --- The core's thread ---

SocketLink* SocketEndpoint::open(unsigned core, const Wake& wake, void* state) noexcept {
    Part& part = parts_[core];
    uint32_t index = 0;
    if (part.ended || !take_slot(part, index)) return nullptr;
    SocketSlot& slot = *slot_at(part, index);
    auto* link = new (std::nothrow) SocketLink(part, index, slot, wake, state);
    if (!link) {
        part.free.push_back(index);
        return nullptr;
    }
    slot.link = link;
    slot.wants_room.store(false, std::memory_order_relaxed);
    slot.generation.fetch_add(1, std::memory_order_release);
    part.links.push_back(*link);
    if (part.open.fetch_add(1, std::memory_order_relaxed) == 0) {
        CorePort& port = part.core->port();
        port.arm(part.ping, port.now() + from_milliseconds(options_.ping));
    }
    return link;
}

void SocketEndpoint::leave(SocketLink& link, uint32_t index) noexcept {
    Part& part = parts_[link.name() >> kCoreShift];
    SocketSlot& slot = *slot_at(part, index);
    slot.generation.fetch_add(1, std::memory_order_release);
    slot.link = nullptr;
    part.free.push_back(index);
    link.unlink();
    if (part.open.fetch_sub(1, std::memory_order_relaxed) == 1) part.core->port().disarm(part.ping);
}

void SocketEndpoint::close(unsigned core) noexcept {
    Part& part = parts_[core];
    part.ended = true;
    for (SocketLink* link = part.links.front(); link; link = part.links.next(*link))
        link->close(static_cast<uint16_t>(http::SocketClose::going_away), {});
}

void SocketEndpoint::on_ping(loop::Timer& timer) noexcept {
    Part& part = *static_cast<Part*>(timer.owner);
    CorePort& port = part.core->port();
    port.arm(timer, port.now() + from_milliseconds(part.endpoint->options_.ping));
    for (SocketLink* link = part.links.front(); link; link = part.links.next(*link)) link->ping();
}

// --- Any thread ---

void SocketEndpoint::arrive(Delivery& delivery) noexcept {
    Part& part = *delivery.part;
    SocketEndpoint& self = *part.endpoint;
    if (delivery.socket == 0) {
        uint64_t size = delivery.frame->view().size();
        for (SocketLink* link = part.links.front(); link; link = part.links.next(*link)) {
            SocketSlot* slot = self.find(link->name());
            uint64_t before = slot->queued.fetch_add(size);
            if (before == 0 || before + size <= self.options_.queue_bytes_max) {
                delivery.frame->take();
                link->queue(*delivery.frame);
                continue;
            }
            // It cannot have every message any more: told to come again (1013, as registered).
            slot->queued.fetch_sub(size);
            ++part.refused;
            link->close(1013, "too slow");
        }
        delivery.frame->drop();
        return;
    }
    SocketSlot* slot = self.find(delivery.socket);
    if (!delivery.frame) {
        if (slot) slot->link->close(delivery.code, delivery.reason);
        return;
    }
    if (slot) return slot->link->queue(*delivery.frame);
    self.slot_at(part, slot_of(delivery.socket))->queued.fetch_sub(delivery.frame->view().size());
    delivery.frame->drop();
}

ringtime_status SocketEndpoint::deliver(unsigned core, Delivery what) noexcept {
    Part& part = parts_[core];
    what.part = &part;
    if (part.core->here() && what.socket != 0) {
        arrive(what);
        return RINGTIME_OK;
    }
    what.plugin = plugin_.shared_from_this();
    std::unique_ptr<Delivery> delivery(new (std::nothrow) Delivery(std::move(what)));
    auto run = [](void* context, uint64_t) noexcept {
        std::unique_ptr<Delivery> arrived(static_cast<Delivery*>(context));
        arrive(*arrived);
    };
    if (!delivery) return RINGTIME_AGAIN;
    ringtime_status posted = to_status(part.core->post({run, delivery.get(), 0}));
    if (posted == RINGTIME_OK) (void)delivery.release();
    return posted;
}

ringtime_status SocketEndpoint::send(ringtime_socket socket, ringtime_message_kind kind,
                                     std::string_view message) noexcept {
    SocketSlot* slot = find(socket);
    if (!slot) return RINGTIME_GONE;
    if (message.size() > message_bytes_most || !may_be_sent(kind, message)) return RINGTIME_INVALID;
    SharedBytes* frame = make_frame(opcode_of(kind), message);
    if (!frame) return RINGTIME_LIMIT;
    uint64_t size = frame->view().size();
    // Always room for one message, however large, when nothing waits.
    uint64_t before = slot->queued.fetch_add(size);
    ringtime_status result = RINGTIME_LIMIT;
    if (before == 0 || before + size <= options_.queue_bytes_max) {
        Delivery what;
        what.socket = socket;
        what.frame = frame;
        result = deliver(static_cast<unsigned>(socket >> kCoreShift), std::move(what));
        if (result == RINGTIME_OK) return result;
    }
    if (result == RINGTIME_LIMIT) slot->wants_room.store(true);
    uint64_t left = slot->queued.fetch_sub(size) - size;
    frame->drop();
    // What waited may have left before on_room was asked for: nobody would call it any more.
    if (result == RINGTIME_LIMIT && left <= options_.queue_bytes_max / 2 &&
        slot->wants_room.exchange(false))
        return RINGTIME_AGAIN;
    return result;
}

ringtime_status SocketEndpoint::broadcast(ringtime_message_kind kind,
                                          std::string_view message) noexcept {
    if (message.size() > message_bytes_most || !may_be_sent(kind, message)) return RINGTIME_INVALID;
    SharedBytes* frame = make_frame(opcode_of(kind), message);
    if (!frame) return RINGTIME_LIMIT;
    ringtime_status result = RINGTIME_OK;
    for (unsigned core = 0; core < plugin_.host_cores().count(); ++core) {
        if (parts_[core].open.load(std::memory_order_relaxed) == 0) continue;
        Delivery what;
        what.frame = frame;
        frame->take();
        if (deliver(core, std::move(what)) == RINGTIME_OK) continue;
        frame->drop();
        result = RINGTIME_AGAIN;
    }
    frame->drop();
    return result;
}

ringtime_status SocketEndpoint::close(ringtime_socket socket, uint16_t code,
                                      std::string_view reason) noexcept {
    if (!find(socket)) return RINGTIME_GONE;
    http::Utf8Check check;
    if (!http::is_socket_close_code(code) || reason.size() > http::socket_control_bytes_max - 2 ||
        !check.take(reason) || !check.complete())
        return RINGTIME_INVALID;
    Delivery what;
    what.socket = socket;
    what.code = code;
    what.reason = reason;
    return deliver(static_cast<unsigned>(socket >> kCoreShift), std::move(what));
}

ringtime_endpoint_counts SocketEndpoint::counts() const noexcept {
    ringtime_endpoint_counts sum{};
    sum.struct_size = sizeof sum;
    for (unsigned i = 0; i < plugin_.host_cores().count(); ++i) {
        sum.open += parts_[i].open.load(std::memory_order_relaxed);
        sum.opened += parts_[i].opened.value();
        sum.received += parts_[i].received.value();
        sum.sent += parts_[i].sent.value();
        sum.dropped += parts_[i].refused.value();
    }
    return sum;
}

}  // namespace ringtime::hook
