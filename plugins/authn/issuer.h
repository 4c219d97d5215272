#pragma once
// Whose tokens are believed, and his keys: from a file, read once, or from a URL, fetched again on
// a schedule and when a token names a key we have not. Requests wait for such a fetch; while one
// was made a moment ago there is none, so that strangers with made-up key names cannot order
// fetches. A failure keeps the keys there are.
//
// Shared by all cores: keys() costs one load while nothing has changed.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <ringtime/plugin.hpp>

#include "config.h"
#include "https.h"
#include "keys.h"

namespace authn {

class Issuer {
 public:
    /// Reads the file; throws std::invalid_argument when it has no key that can be used.
    Issuer(ringtime::Context& context, IssuerConfig config);

    [[nodiscard]] const IssuerConfig& config() const { return config_; }

    /// A core's hold on the keys; null until some came.
    struct Hold {
        std::shared_ptr<const KeySet> keys;
        uint64_t generation = 0;
    };
    /// Brings `hold` up to date.
    void keys(Hold& hold) const;

    /// Fetches when it is time. Called on one core, each second.
    void tick(ringtime::Core core);
    /// A key is missing: whether a fetch is on its way now, so that waiting makes sense.
    [[nodiscard]] bool fetch_missing(ringtime::Core core);
    /// Resumes `token` with that value when the fetch has ended, which may be at once.
    void wait(ringtime::Token token, uint64_t value);

    struct Counts {
        size_t keys = 0;
        uint64_t fetches = 0;
        uint64_t failures = 0;
        uint64_t fetched_wall_s = 0;  ///< When the last fetch went well; 0: never.
    };
    [[nodiscard]] Counts counts() const;
    /// For the readiness probe.
    [[nodiscard]] bool has_keys() const;

 private:
    struct Waiter {
        ringtime::Token token;
        uint64_t value;
    };
    void fetch(ringtime::Core core);
    [[nodiscard]] bool ask_http(ringtime::Core core);
    [[nodiscard]] bool ask_https(ringtime::Core core);
    void take(ringtime::Core core, unsigned status, std::string body);
    void read(ringtime::Core core, std::string body);
    void finish(std::optional<KeySet> keys, const std::string& problem);
    void publish(KeySet keys);

    ringtime::Context& context_;
    IssuerConfig config_;
    HttpsRequest https_;  ///< Its address is empty when the keys come without TLS.
    std::atomic<uint64_t> generation_{0};

    mutable std::mutex mutex_;
    std::shared_ptr<const KeySet> keys_;
    std::string body_;  ///< What the keys were read from.
    std::vector<Waiter> waiters_;
    bool fetching_ = false;
    bool failing_ = false;
    uint64_t now_ns_ = 0;      ///< Of the core, when the last fetch began.
    uint64_t allowed_ns_ = 0;  ///< No fetch before.
    uint64_t due_ns_ = 0;      ///< The next one by schedule.
    Counts counts_;
};

}  // namespace authn
