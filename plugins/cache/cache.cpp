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

enum class Outcome { hit, unchanged, miss, stored, bypass };
constexpr std::array<const char*, 5> kOutcomes = {"hit", "unchanged", "miss", "stored", "bypass"};

int64_t wall_seconds() {
    auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

/// A request that is on its way to its target, and the response while it is gathered.
struct Flight {
    std::string key;
    Asked asked;
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
        if (kept && is_fresh(*kept, asked.directives, request.raw().now_ns))
            return answer(request, kept);
        if (asked.directives.only_if_cached) {
            if (!request.set_state(&answered_)) return Verdict::failed;
            return request.refuse(504, "not_kept", "It is not kept here.");
        }
        count(asked.may_look ? Outcome::miss : Outcome::bypass);
        if (!asked.may_store) return Verdict::next;
        auto flight = std::make_unique<Flight>();
        flight->key = std::move(key);
        flight->asked = asked;
        if (request.set_state(flight.get())) (void)flight.release();
        return Verdict::next;
    }

    void on_response(Request& request, Response& response) {
        auto* flight = request.state<Flight>();
        if (flight == &answered_) return;
        if (!flight) return forget_changed(request, response);
        if (response.status() == 304) return freshen(request, response, *flight);
        std::optional<Stored> head = read_response(request, response, flight->asked,
                                                   wall_seconds());
        uint64_t size = response.raw().content_length;
        bool known = size != RINGTIME_LENGTH_UNKNOWN;
        if (!head || (known && size > body_bytes_max_)) return;
        flight->response = std::make_unique<Stored>(std::move(*head));
        if (known) flight->body.reserve(size);
        if (size == 0) keep(*flight);
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

    // The bytes are sent from where they are kept; who sends them holds them.
    Verdict answer(Request& request, const Kept& kept) {
        bool unchanged = is_unchanged(*kept, request);
        count(unchanged ? Outcome::unchanged : Outcome::hit);
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
        lines.emplace_back("cache-status", "ringtime; hit");
        auto holder = std::make_unique<Kept>(kept);
        ringtime_bytes bytes{{kept->body->data(), kept->body->size()},
                             [](void* owner) { delete static_cast<Kept*>(owner); },
                             holder.get()};
        if (!request.set_state(&answered_)) return Verdict::failed;
        const ringtime_request& raw = request.raw();
        // From here on the gateway releases them, also when it refuses.
        if (!unchanged) (void)holder.release();
        ringtime_status status =
            raw.host->respond(raw.exchange, unchanged ? 304 : kept->status, lines.data(),
                              lines.size(), unchanged ? nullptr : &bytes);
        return status == RINGTIME_OK ? Verdict::answered : Verdict::failed;
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
        Kept kept = look(request, flight.key);
        Kept newer = kept ? freshened(*kept, request, response, flight.asked, wall_seconds())
                          : nullptr;
        if (newer) store_.put(flight.key, std::move(newer));
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
