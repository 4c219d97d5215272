// Responses that say they may be kept, sent again without asking the target (RFC 9111). Meant to
// stand last in the chain: whoever decides who may see what, authn above all, comes before it, and
// what came after it would not be asked for what is answered here.

#include <ringtime/plugin.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy.h"
#include "store.h"

namespace {

using namespace cache;
using ringtime::Request;
using ringtime::Response;
using ringtime::Verdict;

enum class Outcome { hit, unchanged, confirmed, miss, stored, bypass };
constexpr std::array<const char*, 6> kOutcomes = {"hit",  "unchanged", "confirmed",
                                                  "miss", "stored",    "bypass"};

int64_t wall_seconds() {
    auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

/// A request that is on its way to its target, and the response while it is gathered.
struct Flight {
    std::string key;
    Asked asked;
    Said said;
    Kept stale;  ///< What the target is asked about.
    std::unique_ptr<Stored> response;
    std::string body;
};

class Cache {
 public:
    static constexpr bool run_on_public = true;

    explicit Cache(ringtime::Context& context)
        : bytes_max_(megabytes(context)),
          body_bytes_max_(static_cast<size_t>(context.integer("kilobytesEach", 1024)) * 1024),
          store_(bytes_max_) {
        if (body_bytes_max_ < 1024 || body_bytes_max_ > bytes_max_ / Store::kParts)
            throw std::invalid_argument("kilobytesEach is 1 to a sixteenth of megabytes");
        context.metrics<&Cache::tell>(this);
    }

    Verdict on_request(Request& request) {
        Asked asked = read_request(request);
        if (!asked.may_look && !asked.may_store) {
            count(Outcome::bypass);
            return Verdict::next;
        }
        std::string key = key_of(request);
        Kept kept = asked.may_look ? look(request, key) : nullptr;
        if (kept && is_fresh(*kept, asked.directives, request.raw().now_ns)) {
            if (answer(request, kept)) return Verdict::answered;
            // It has too many fields, say: what cannot be sent is of no use.
            store_.erase(key);
            kept = nullptr;
        }
        if (asked.directives.only_if_cached) {
            if (!request.set_state(&answered_)) return Verdict::failed;
            return request.refuse(504, "not_kept", "It is not kept here.");
        }
        bool asks = asked.may_store && take_off(request, key, asked, kept);
        if (!asks) count(asked.may_look ? Outcome::miss : Outcome::bypass);
        return Verdict::next;
    }

    Verdict on_response(Request& request, Response& response) {
        auto* flight = request.state<Flight>();
        if (flight == &answered_) return Verdict::next;
        if (!flight) {
            forget_changed(request, response);
        } else if (response.status() != 304) {
            if (flight->stale) count(Outcome::miss);
            begin_keeping(request, response, *flight);
        } else if (flight->stale) {
            return confirm(request, response, *flight);
        } else {
            freshen(request, response, *flight);
        }
        return Verdict::next;
    }

    void on_response_body(Request& request, ringtime::Chunk& chunk) {
        auto* flight = request.state<Flight>();
        if (!flight || flight == &answered_ || !flight->response) return;
        size_t size = chunk.bytes().size();
        size_t gathered = gathered_.fetch_add(size) + size;
        flight->body.append(chunk.bytes());
        if (flight->body.size() > body_bytes_max_ || gathered > bytes_max_ / 4) {
            drop(*flight);
        } else if (chunk.last()) {
            keep(*flight);
        }
    }

    void on_done(Request& request, const ringtime::Summary&) {
        auto* flight = request.state<Flight>();
        if (!flight || flight == &answered_) return;
        drop(*flight);
        delete flight;
    }

 private:
    static size_t megabytes(const ringtime::Context& context) {
        int64_t out = context.integer("megabytes", 64);
        if (out < 1 || out > 1'048'576) throw std::invalid_argument("megabytes is 1 to 1048576");
        return static_cast<size_t>(out) * 1024 * 1024;
    }

    static std::string key_of(const Request& request) {
        std::string key = request.raw().secure ? "https://" : "http://";
        key.append(ringtime::text(request.raw().authority)).append(request.full_path());
        if (request.query().data()) key.append("?").append(request.query());
        return key;
    }

    Kept look(const Request& request, const std::string& key) {
        return store_.find(
            key, [&](std::string_view name) { return combined(request.fields(), name); });
    }
    Kept look(const Flight& flight) { return store_.find(flight.key, flight.said); }

    // Whether the target is only asked about what is kept.
    static bool take_off(Request& request, std::string& key, const Asked& asked,
                         const Kept& stale) {
        auto flight = std::make_unique<Flight>();
        flight->key = std::move(key);
        flight->asked = asked;
        flight->said = Said(request.fields());
        if (!request.set_state(flight.get())) return false;
        Flight& taken = *flight.release();
        if (stale && Response::can_replace(request.raw()) && ask_about(*stale, request))
            taken.stale = stale;
        return taken.stale != nullptr;
    }

    void begin_keeping(const Request& request, const Response& response, Flight& flight) {
        std::optional<Stored> head = read_response(request, response, flight.asked,
                                                   flight.said, wall_seconds());
        uint64_t size = response.raw().content_length;
        bool known = size != RINGTIME_LENGTH_UNKNOWN;
        if (!head || (known && size > body_bytes_max_)) return;
        flight.response = std::make_unique<Stored>(std::move(*head));
        if (known) flight.body.reserve(size);
        if (size == 0) keep(flight);
    }

    bool answer(Request& request, const Kept& kept) {
        bool unchanged = is_unchanged(*kept, request);
        if (!send(request, request.raw().host->respond, kept, unchanged, "ringtime; hit") ||
            !request.set_state(&answered_))
            return false;
        count(unchanged ? Outcome::unchanged : Outcome::hit);
        return true;
    }

    // The bytes are sent from where they are kept; who sends them holds them.
    template <typename Respond>
    static bool send(const Request& request, Respond respond, const Kept& kept, bool unchanged,
                     std::string_view cache_status) {
        std::string age = std::to_string(kept->age_s(request.raw().now_ns));
        std::vector<ringtime::Line> lines;
        lines.reserve(kept->fields.size() + 2);
        for (const auto& [name, value] : kept->fields) {
            bool of_304 = name == "cache-control" || name == "content-location" ||
                          name == "etag" || name == "expires" || name == "vary" ||
                          name == "last-modified";
            if (!unchanged || of_304) lines.emplace_back(name, value);
        }
        lines.emplace_back("age", age);
        lines.emplace_back("cache-status", cache_status);
        auto holder = std::make_unique<Kept>(kept);
        ringtime_bytes bytes{{kept->body->data(), kept->body->size()},
                             [](void* owner) { delete static_cast<Kept*>(owner); },
                             holder.get()};
        // From here on the gateway releases them, also when it refuses.
        if (!unchanged) (void)holder.release();
        ringtime_status status =
            respond(request.raw().exchange, unchanged ? 304 : kept->status, lines.data(),
                    lines.size(), unchanged ? nullptr : &bytes);
        return status == RINGTIME_OK;
    }

    // Section 4.3.3: the client did not ask for a 304, it gets what that is about.
    Verdict confirm(const Request& request, Response& response, const Flight& flight) {
        bool current = look(flight) == flight.stale;
        if (!confirms(response, *flight.stale, Question::ours)) {
            // About something that is not here: asked again in full, the target must send it.
            if (current) store_.erase(flight.key);
            return response.refuse(502, "upstream_protocol",
                                   "The target confirmed what it was not asked about.");
        }
        Freshened now = freshened(*flight.stale, request, response, flight.asked, wall_seconds());
        bool sent = send(request, request.raw().host->respond_instead, now.response, false,
                         "ringtime; fwd=stale; fwd-status=304");
        if (current && sent && now.may_store) {
            store_.put(flight.key, std::move(now.response));
        } else if (current) {
            store_.erase(flight.key);
        }
        if (sent) count(Outcome::confirmed);
        return sent ? Verdict::answered : Verdict::failed;
    }

    void keep(Flight& flight) {
        gathered_.fetch_sub(flight.body.size());
        flight.response->body = std::make_shared<const std::string>(std::move(flight.body));
        flight.body.clear();
        store_.put(flight.key, std::move(flight.response));
        count(Outcome::stored);
    }
    void drop(Flight& flight) {
        gathered_.fetch_sub(flight.body.size());
        flight.body = std::string();
        flight.response.reset();
    }

    void freshen(const Request& request, const Response& response, const Flight& flight) {
        Kept kept = look(flight);
        if (!kept || !confirms(response, *kept, Question::of_client)) return;
        Freshened now = freshened(*kept, request, response, flight.asked, wall_seconds());
        if (now.may_store) store_.put(flight.key, std::move(now.response));
    }

    // RFC 9111 section 4.4: what changes a thing ends what is kept of it.
    void forget_changed(const Request& request, const Response& response) {
        ringtime_method method = request.method();
        bool safe = method == RINGTIME_METHOD_GET || method == RINGTIME_METHOD_HEAD ||
                    method == RINGTIME_METHOD_OPTIONS || method == RINGTIME_METHOD_TRACE;
        if (!safe && response.status() < 400) store_.erase(key_of(request));
    }

    void count(Outcome outcome) {
        outcomes_[static_cast<size_t>(outcome)].fetch_add(1, std::memory_order_relaxed);
    }
    void tell(const ringtime::MetricWriter& writer) {
        for (size_t i = 0; i < kOutcomes.size(); ++i)
            writer.counter("cache.requests", "Requests by what the cache made of them",
                           static_cast<double>(outcomes_[i].load()), {{"outcome", kOutcomes[i]}});
        Store::Counts counts = store_.counts();
        writer.gauge("cache.targets", "Targets with a response that is kept",
                     static_cast<double>(counts.entries));
        writer.gauge("cache.bytes", "Memory of what is kept", static_cast<double>(counts.bytes));
        writer.counter("cache.evicted", "Targets that made room for others",
                       static_cast<double>(counts.evicted));
    }

    size_t bytes_max_;
    size_t body_bytes_max_;
    Store store_;
    std::atomic<size_t> gathered_{0};
    std::array<std::atomic<uint64_t>, kOutcomes.size()> outcomes_{};
    Flight answered_;  ///< Marks requests that were answered from here.
};

}  // namespace

RINGTIME_PLUGIN(Cache)
