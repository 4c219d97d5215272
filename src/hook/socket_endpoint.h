#pragma once
// WebSockets of a plugin (RFC 6455): an endpoint is what the plugin made at init, a link one client
// on it. A link is the answer to its request: status 101, then both directions of the tunnel, so
// the exchange's windows are its back-pressure. Any thread sends to a socket by its name: the bytes
// that wait are counted where every thread sees them, the frame travels to the socket's core by
// mailbox. Endpoints and their slots belong to the plugin, a link to its exchange.

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/counter.h"
#include "base/list.h"
#include "base/shared_bytes.h"
#include "hook/core.h"
#include "hook/wake.h"
#include "loop/timer.h"

namespace ringtime::hook {

class Plugin;
class SocketLink;

/// A socket as other threads see it. Never moved or freed while its endpoint lives.
struct SocketSlot {
    std::atomic<uint32_t> generation{0};  ///< Odd while a socket is open.
    std::atomic<bool> wants_room{false};  ///< A send was refused: on_room is owed.
    std::atomic<uint64_t> queued{0};      ///< Bytes that wait; each adder is also who subtracts.
    SocketLink* link = nullptr;           ///< The core's thread.
};

struct SocketOptions {
    Milliseconds ping = 30'000;
    uint64_t message_bytes_max = 1024 * 1024;
    uint64_t queue_bytes_max = 1024 * 1024;
};

class SocketEndpoint {
 public:
    /// Open sockets of one endpoint on one core.
    static constexpr unsigned sockets_max = 16384;
    /// One message, in or out, and what may wait for one client.
    static constexpr uint64_t message_bytes_most = 64 * 1024 * 1024;

    SocketEndpoint(Plugin& plugin, std::string name, const ringtime_endpoint_options& options);
    SocketEndpoint(const SocketEndpoint&) = delete;
    SocketEndpoint& operator=(const SocketEndpoint&) = delete;
    ~SocketEndpoint();

    // --- The core's thread ---
    /// Null at the limit or without memory.
    [[nodiscard]] SocketLink* open(unsigned core, const Wake& wake, void* state) noexcept;
    /// Every socket there is closed as one whose server goes away.
    void close(unsigned core) noexcept;

    // --- Any thread ---
    [[nodiscard]] ringtime_status send(ringtime_socket socket, ringtime_message_kind kind,
                                       std::string_view message) noexcept;
    [[nodiscard]] ringtime_status broadcast(ringtime_message_kind kind,
                                            std::string_view message) noexcept;
    [[nodiscard]] ringtime_status close(ringtime_socket socket, uint16_t code,
                                        std::string_view reason) noexcept;
    [[nodiscard]] ringtime_endpoint_counts counts() const noexcept;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const SocketOptions& options() const noexcept { return options_; }

    // --- For links ---
    struct alignas(128) Part {
        SocketEndpoint* endpoint = nullptr;
        HookCore* core = nullptr;
        PluginCore* plugin = nullptr;
        List<SocketLink> links;
        std::vector<uint32_t> free;
        uint32_t slots = 0;
        bool ended = false;
        loop::Timer ping;
        std::array<std::atomic<SocketSlot*>, sockets_max / 256> pages{};
        std::atomic<uint32_t> open{0};
        Counter opened;
        Counter received;
        Counter sent;
        Counter refused;
    };
    [[nodiscard]] const ringtime_endpoint_options& events() const noexcept { return events_; }
    void leave(SocketLink& link, uint32_t index) noexcept;

 private:
    static constexpr uint32_t page_slots = 256;
    struct Delivery;

    [[nodiscard]] SocketSlot* find(ringtime_socket socket) const noexcept;
    [[nodiscard]] SocketSlot* slot_at(const Part& part, uint32_t index) const noexcept;
    [[nodiscard]] bool take_slot(Part& part, uint32_t& index) noexcept;
    [[nodiscard]] ringtime_status deliver(unsigned core, Delivery what) noexcept;
    static void arrive(Delivery& delivery) noexcept;
    static void on_ping(loop::Timer& timer) noexcept;

    Plugin& plugin_;
    std::string name_;
    ringtime_endpoint_options events_{};
    SocketOptions options_;
    std::unique_ptr<Part[]> parts_;
};

}  // namespace ringtime::hook
