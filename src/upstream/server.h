#pragma once
// One server of an upstream, as all cores know it: where it is, whether it is well, what has been
// counted. Shared without locks: the resolver publishes addresses, the checker health, cores what
// they saw; everybody loads. Lives as long as its upstream.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/address.h"
#include "upstream/counters.h"
#include "upstream/spec.h"

namespace ringtime::upstream {

/// The addresses a server's name stood for when it was last looked up. Never empty.
struct AddressSet {
    std::vector<net::Endpoint> endpoints;
    uint64_t version = 0;  ///< From 1 on. Where it lies tells nothing: memory is used again.
};

/// Tells addresses apart.
[[nodiscard]] uint64_t address_hash(const net::Endpoint& endpoint) noexcept;

/// What active checks say.
enum class Health : uint8_t {
    unchecked,  ///< No verdict yet, or nobody checks: taken for healthy.
    up,
    down,
};

class Server {
 public:
    explicit Server(ServerSpec spec);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    [[nodiscard]] const ServerSpec& spec() const noexcept { return spec_; }
    /// The address as configured: `http://host:port`, `unix:/path`.
    [[nodiscard]] const std::string& url() const noexcept { return url_; }
    /// Tells servers apart by what they are, whatever their order: for hashing and cookies.
    [[nodiscard]] uint64_t identity() const noexcept { return identity_; }

    // --- Addresses ---
    /// Null as long as the name has not been resolved. Valid for longer than a connect may
    /// last, not for ever.
    [[nodiscard]] const AddressSet* addresses() const noexcept {
        return current_.load(std::memory_order_acquire);
    }
    /// True for names: literal addresses and unix paths need no resolver.
    [[nodiscard]] bool needs_resolving() const noexcept { return needs_resolving_; }
    /// The resolver's thread; in any order. True when the set differs from the current one, and is
    /// published.
    bool publish(std::vector<net::Endpoint> endpoints);

    // --- Health ---
    [[nodiscard]] Health health() const noexcept {
        return health_.load(std::memory_order_relaxed);
    }
    /// The checker's thread.
    void set_health(Health health, Nanoseconds now) noexcept;
    [[nodiscard]] bool ejected(Nanoseconds now) const noexcept {
        return now < ejected_until_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] Nanoseconds ejected_until() const noexcept {
        return ejected_until_.load(std::memory_order_relaxed);
    }
    void eject(Nanoseconds until) noexcept;
    /// Ends an ejection before its time; false when there is none.
    bool readmit(Nanoseconds now) noexcept;
    [[nodiscard]] uint64_t ejections() const noexcept {
        return ejections_.load(std::memory_order_relaxed);
    }
    /// Resolved, not down, not ejected.
    [[nodiscard]] bool usable(Nanoseconds now) const noexcept {
        return addresses() && health() != Health::down && !ejected(now);
    }
    /// When it last became usable; 0: it has been from the start.
    [[nodiscard]] Nanoseconds usable_since() const noexcept;

    /// Any core. Failures in a row, this one counted.
    unsigned note_failure() noexcept {
        return failures_in_a_row_.fetch_add(1, std::memory_order_relaxed) + 1;
    }
    void note_success() noexcept {
        // Usually 0: then the line stays shared by all cores.
        if (failures_in_a_row_.load(std::memory_order_relaxed) != 0)
            failures_in_a_row_.store(0, std::memory_order_relaxed);
    }
    /// After its time out, one failure more is enough.
    void set_failures(unsigned count) noexcept {
        failures_in_a_row_.store(count, std::memory_order_relaxed);
    }

    // --- Places: requests at once, of all cores together ---
    /// False when `most` are taken.
    [[nodiscard]] bool take_place(size_t most) noexcept {
        size_t taken = places_taken_.load();
        do {
            if (taken >= most) return false;
        } while (!places_taken_.compare_exchange_weak(taken, taken + 1));
        return true;
    }
    void give_place() noexcept { places_taken_.fetch_sub(1); }
    /// Only counted where there is a limit.
    [[nodiscard]] size_t places_taken() const noexcept { return places_taken_.load(); }

    // --- Counters ---
    /// A core that begins to use it: its own counters.
    [[nodiscard]] ServerCounters& add_counters(unsigned core);
    template <typename Visit>
    void for_each_counters(Visit&& visit) const {
        for (const ServerCounters* node = counters_.load(std::memory_order_acquire); node;
             node = node->next)
            visit(*node);
    }

 private:
    ServerSpec spec_;
    std::string url_;
    uint64_t identity_ = 0;
    bool needs_resolving_ = false;
    std::atomic<const AddressSet*> current_{nullptr};
    struct Published {
        std::unique_ptr<const AddressSet> set;
        Nanoseconds retired_at;  ///< 0: in force.
    };
    std::vector<Published> published_;
    std::atomic<Health> health_{Health::unchecked};
    std::atomic<Nanoseconds> up_since_{0};
    std::atomic<Nanoseconds> ejected_until_{0};
    std::atomic<uint64_t> ejections_{0};
    std::atomic<unsigned> failures_in_a_row_{0};
    std::atomic<size_t> places_taken_{0};
    std::atomic<ServerCounters*> counters_{nullptr};
};

}  // namespace ringtime::upstream
