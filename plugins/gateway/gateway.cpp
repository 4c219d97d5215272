// What most services want in front of them: other origins' pages let in (cors.h), clients held to a
// rate (rate_limit.h), requests held to a size. Each part does nothing until it is configured.

#include <ringtime/plugin.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "../shared/where.h"
#include "cors.h"
#include "rate_limit.h"

namespace {

using ringtime::Verdict;

shared::Where where(const ringtime::Context& context, const std::string& key) {
    return {context.strings(key + ".paths"), context.strings(key + ".methods"), key};
}

/// What a client is told by: its address, a field or a cookie.
class Who {
 public:
    explicit Who(std::string_view text) {
        if (text == "ip") return;
        size_t colon = text.find(':');
        std::string_view kind = text.substr(0, colon);
        if (colon == text.npos || colon + 1 == text.size() ||
            (kind != "header" && kind != "cookie"))
            throw std::invalid_argument("rateLimits: by: \"" + std::string(text) +
                                        "\" is none of ip, header:NAME, cookie:NAME");
        cookie_ = kind == "cookie";
        name_ = text.substr(colon + 1);
    }
    /// Who has none of it is told by the address.
    [[nodiscard]] uint64_t of(const ringtime::Request& request) const {
        std::string_view value;
        if (!name_.empty()) value = cookie_ ? cookie(request) : request.field(name_);
        return value.data() ? RateLimit::hash(value) : RateLimit::hash_address(request.client());
    }

 private:
    [[nodiscard]] std::string_view cookie(const ringtime::Request& request) const {
        std::string_view all = request.field(RINGTIME_FIELD_COOKIE);
        while (!all.empty()) {
            std::string_view one = all.substr(0, all.find(';'));
            all.remove_prefix(std::min(all.size(), one.size() + 1));
            while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
            if (one.size() > name_.size() && one[name_.size()] == '=' &&
                one.substr(0, name_.size()) == name_)
                return one.substr(name_.size() + 1);
        }
        return {};
    }

    bool cookie_ = false;
    std::string name_;
};

struct LimitRule {
    shared::Where where;
    Who who;
    std::unique_ptr<RateLimit> limit;
};

struct SizeRule {
    shared::Where where;
    uint64_t body_bytes_max;
};

/// Of the limit that is nearest, for the fields of the response.
struct Shown {
    uint64_t limit;
    uint64_t remaining;
    uint64_t reset;
};

class Gateway {
 public:
    // Limits and origins are for public routes as well.
    static constexpr bool run_on_public = true;

    explicit Gateway(ringtime::Context& context) : cors_(context) {
        size_t count = 0;
        while (context.number("rateLimits." + std::to_string(count) + ".rate", -1) >= 0)
            add_limit(context, "rateLimits." + std::to_string(count++));
        for (count = 0;; ++count) {
            std::string key = "sizes." + std::to_string(count);
            int64_t most = context.integer(key + ".bytes", -1);
            if (most < 0) break;
            sizes_.push_back({where(context, key), static_cast<uint64_t>(most)});
        }
    }

    Verdict on_request(ringtime::Request& request) {
        // A preflight is the browser's affair: it costs no token.
        Verdict verdict = cors_.on_request(request);
        if (verdict != Verdict::next) return verdict;
        for (LimitRule& rule : limits_) {
            if (!rule.where.holds(request)) continue;
            RateLimit::Outcome outcome =
                rule.limit->take(rule.who.of(request), request.raw().now_ns);
            show(request, {rule.limit->burst(), outcome.remaining, outcome.full_in_s});
            if (!outcome.allowed)
                return request.refuse(429, "rate_limited", "Too many requests.",
                                      {{"retry-after", std::to_string(outcome.retry_in_s)}});
        }
        return check_size(request);
    }

    void on_response(ringtime::Request& request, ringtime::Response& response) {
        cors_.on_response(request, response);
        const Shown* shown = request.state<Shown>();
        if (!shown) return;
        response.set("ratelimit-limit", std::to_string(shown->limit));
        response.set("ratelimit-remaining", std::to_string(shown->remaining));
        response.set("ratelimit-reset", std::to_string(shown->reset));
    }

 private:
    void add_limit(ringtime::Context& context, const std::string& key) {
        double rate = context.number(key + ".rate", 0);
        int64_t burst = context.integer(key + ".burst", static_cast<int64_t>(rate < 1 ? 1 : rate));
        int64_t clients = context.integer(key + ".clients", 65'536);
        if (rate <= 0 || rate > 1e6 || burst < 1 || burst > 1'000'000 || clients < 1 ||
            clients > 16'777'216)
            throw std::invalid_argument(key + ": rate (per second) above 0 and up to 1000000, "
                                              "burst 1 to 1000000, clients 1 to 16777216");
        limits_.push_back({where(context, key), Who(context.string(key + ".by", "ip")),
                           std::make_unique<RateLimit>(rate, static_cast<uint64_t>(burst),
                                                       static_cast<size_t>(clients))});
    }

    static void show(ringtime::Request& request, const Shown& outcome) {
        Shown* shown = request.state<Shown>();
        if (!shown) {
            request.make_state<Shown>(outcome);
        } else if (outcome.remaining < shown->remaining) {
            *shown = outcome;
        }
    }

    // What does not say how long it is cannot be judged before it is here.
    Verdict check_size(ringtime::Request& request) const {
        if (!(request.raw().flags & RINGTIME_REQUEST_HAS_BODY)) return Verdict::next;
        for (const SizeRule& rule : sizes_) {
            if (!rule.where.holds(request)) continue;
            if (request.raw().content_length == RINGTIME_LENGTH_UNKNOWN)
                return request.refuse(411, "length_required", "Say how long the body is.");
            if (request.raw().content_length > rule.body_bytes_max)
                return request.refuse(413, "body_too_large", "The body is too large.");
        }
        return Verdict::next;
    }

    Cors cors_;
    std::vector<LimitRule> limits_;
    std::vector<SizeRule> sizes_;
};

}  // namespace

RINGTIME_PLUGIN(Gateway)
