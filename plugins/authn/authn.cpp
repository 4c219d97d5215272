// Who somebody is, before anything else is asked: API keys, passwords (accounts.h) and tokens
// (token.h, issuer.h); what he may do (rules.h). Those behind read it in `x-identity`, which no
// client can set: the gateway removes it from every request, those on public routes included, where
// nobody is asked.

#include <ringtime/plugin.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../shared/ascii.h"
#include "accounts.h"
#include "cache.h"
#include "config.h"
#include "issuer.h"
#include "rules.h"
#include "token.h"

namespace {

using namespace authn;
using ringtime::Request;
using ringtime::Verdict;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr size_t kCacheEntries = 4096;
constexpr uint64_t kWrongPasswordNs = 10 * kSecond;
// The helper threads serve other plugins too; a flood of passwords must not have them all for long.
constexpr unsigned kPasswordChecksMost = 64;
constexpr std::chrono::milliseconds kPasswordTimeout{20'000};
constexpr std::chrono::milliseconds kKeysTimeout{10'000};

// How keys of the gateway's own API begin, which checks them itself.
constexpr std::string_view kGatewayKey = "rtk_";

enum class Resumed : uint64_t { password_wrong, password_right, password_unknown, keys };

enum class Outcome { key, password, token, anonymous, unauthorized, forbidden, unavailable };
constexpr std::array<const char*, 7> kOutcomes = {
    "key", "password", "token", "anonymous", "unauthorized", "forbidden", "unavailable"};

enum class Means { none, key, bearer, basic, ambiguous };

struct Credentials {
    Means means = Means::none;
    std::string_view field;  ///< Its name, to take it off.
    std::string_view value;
};

/// What is found out about a token: known, refused, or not to be found out now.
struct Judged {
    const Identity* identity = nullptr;
    Refusal refusal = Refusal::none;
    Issuer* lacks_keys = nullptr;
};

/// Printable ASCII and reversible: names come from others, and two names never become one.
std::string encode(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        if (byte > 0x20 && byte < 0x7f && c != '%' && c != ',') {
            out += c;
        } else {
            out.append("%").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
        }
    }
    return out;
}

/// What follows the scheme, whose letters' case is free (RFC 9110 section 11.1).
bool has_scheme(std::string_view field, std::string_view lower, std::string_view& rest) {
    if (field.size() <= lower.size() || field[lower.size()] != ' ') return false;
    for (size_t i = 0; i < lower.size(); ++i) {
        if ((field[i] | 0x20) != lower[i]) return false;
    }
    rest = field.substr(lower.size());
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    return true;
}

double wall_seconds() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

class Authn {
 public:
    struct CoreState {
        CoreState(Authn& plugin, ringtime::Core core) : plugin_(plugin), core_(core) {
            holds.resize(plugin.issuers_.size());
            if (core.index() != 0 || plugin.issuers_.empty()) return;
            core_.after<&CoreState::tick>(std::chrono::milliseconds(1), this);
            core_.every<&CoreState::tick>(std::chrono::seconds(1), this);
        }
        void tick() {
            for (auto& issuer : plugin_.issuers_) issuer->tick(core_);
        }

        std::vector<Issuer::Hold> holds;
        Cache cache{kCacheEntries};
        JsonReader reader{kTokenBytesMost};

     private:
        Authn& plugin_;
        ringtime::Core core_;
    };

    explicit Authn(ringtime::Context& context)
        : Authn(context, read_config(context.config_json(),
                                     std::string(ringtime::text(context.about().folder)))) {}

    Verdict on_request(Request& request) {
        Credentials given = credentials(request);
        switch (given.means) {
            case Means::none: return settle(request, given, nullptr, Outcome::anonymous);
            case Means::key: {
                const Identity* identity = keys_.find(given.value);
                if (!identity) return unauthorized(request, "The key is nobody's.");
                return settle(request, given, identity, Outcome::key);
            }
            case Means::bearer: return ask_bearer(request, given);
            case Means::basic: return ask_password(request, given);
            case Means::ambiguous: break;
        }
        return unauthorized(request, "There are several credentials of one kind.");
    }

    Verdict on_resume(Request& request, uint64_t value) {
        Credentials given = credentials(request);
        if (static_cast<Resumed>(value) == Resumed::keys)
            return settle_token(request, given, judge_token(request, given.value));
        auto named = parse_basic(given.value);
        if (!named || static_cast<Resumed>(value) == Resumed::password_unknown)
            return unavailable(request, "The password could not be checked.");
        const Identity* identity = nullptr;
        if (static_cast<Resumed>(value) == Resumed::password_right)
            identity = passwords_.find(named->name);
        uint64_t kept_ns = identity ? cache_ns_ : std::min(cache_ns_, kWrongPasswordNs);
        request.core<CoreState>().cache.put(Cache::Kind::password, given.value, 0,
                                            request.raw().now_ns + kept_ns, identity);
        return settle_password(request, given, identity);
    }

 private:
    Authn(ringtime::Context& context, Config config)
        : key_header_(std::move(config.key_header)),
          forward_(config.forward_credentials),
          cache_ns_(config.cache_s * kSecond),
          keys_(std::move(config.keys)),
          passwords_(std::move(config.passwords)),
          rules_(std::move(config.rules)),
          basic_challenge_("Basic realm=\"" + config.realm + "\", charset=\"UTF-8\""),
          bearer_challenge_("Bearer realm=\"" + config.realm + "\"") {
        for (IssuerConfig& each : config.issuers)
            issuers_.push_back(std::make_unique<Issuer>(context, std::move(each)));
        if (keys_.empty() && passwords_.empty() && issuers_.empty())
            throw std::invalid_argument("nobody could come in: give apiKeys, basic or jwt");
        context.metrics<&Authn::tell>(this);
        if (!issuers_.empty())
            context.probe<&Authn::has_keys>("jwks", false, std::chrono::seconds(5), this);
    }

    // ---- What was sent ----

    [[nodiscard]] Credentials credentials(const Request& request) const {
        std::string_view value;
        Credentials given;
        if (!keys_.empty() && (value = request.field(key_header_)).data()) {
            given = {Means::key, key_header_, value};
        } else if ((value = request.field(RINGTIME_FIELD_AUTHORIZATION)).data()) {
            given.field = "authorization";
            bool bearer = has_scheme(value, "bearer", given.value) &&
                          given.value.substr(0, kGatewayKey.size()) != kGatewayKey;
            if (bearer && (!keys_.empty() || !issuers_.empty())) given.means = Means::bearer;
            bool basic = has_scheme(value, "basic", given.value);
            if (basic && !passwords_.empty()) given.means = Means::basic;
        }
        // A scheme that is not ours is the target's affair; two lines could be read as either.
        if (given.means != Means::none && lines(request, given.field) > 1)
            given.means = Means::ambiguous;
        return given;
    }
    [[nodiscard]] static size_t lines(const Request& request, std::string_view wanted) {
        size_t count = 0;
        request.fields().each([&](std::string_view name, std::string_view) {
            count += shared::same_name(name, wanted);
        });
        return count;
    }

    // ---- Tokens ----

    Verdict ask_bearer(Request& request, const Credentials& given) {
        if (const Identity* identity = keys_.find(given.value))
            return settle(request, given, identity, Outcome::key);
        if (issuers_.empty()) return unauthorized(request, "The key is nobody's.");
        Judged judged = judge_token(request, given.value);
        if (!judged.lacks_keys) return settle_token(request, given, judged);
        // Without a fetch to wait for, one may have ended since we looked.
        if (!judged.lacks_keys->fetch_missing(request.on_core()))
            return settle_token(request, given, judge_token(request, given.value));
        ringtime::Token token = request.pause(kKeysTimeout);
        if (!token) return unavailable(request, "Too many requests wait.");
        judged.lacks_keys->wait(token, static_cast<uint64_t>(Resumed::keys));
        return Verdict::paused;
    }

    Judged judge_token(Request& request, std::string_view token) {
        auto& core = request.core<CoreState>();
        uint64_t now_ns = request.raw().now_ns;
        // A change of any issuer's keys ends what was found out with the old ones.
        uint64_t generation = 0;
        for (size_t i = 0; i < issuers_.size(); ++i) {
            issuers_[i]->keys(core.holds[i]);
            generation += core.holds[i].generation;
        }
        if (token.size() > kTokenBytesMost) return {nullptr, Refusal::too_large};
        if (const Cache::Entry* known =
                core.cache.find(Cache::Kind::token, token, generation, now_ns))
            return {&known->identity};
        Jws jws;
        Refusal refusal = parse_jws(token, core.reader, jws);
        if (refusal != Refusal::none) return {nullptr, refusal};
        std::optional<std::string> name = issuer_of(jws.payload, core.reader);
        size_t at = 0;
        while (at < issuers_.size() && issuers_[at]->config().expected.issuer != name) ++at;
        if (!name || at == issuers_.size()) return {nullptr, Refusal::issuer};
        // The signature last: it costs most, and only a token that is fine otherwise is worth a
        // fetch of keys.
        const IssuerConfig& config = issuers_[at]->config();
        Claims claims;
        double now_s = wall_seconds();
        refusal = check_claims(jws.payload, config.expected, now_s, core.reader, claims);
        if (refusal != Refusal::none) return {nullptr, refusal};
        refusal = core.holds[at].keys ? verify(jws, *core.holds[at].keys) : Refusal::key;
        if (refusal == Refusal::key) return {nullptr, refusal, issuers_[at].get()};
        if (refusal != Refusal::none) return {nullptr, refusal};
        double left_s = std::min(claims.expires_s - now_s, 3600.0);
        uint64_t kept_ns = std::min(cache_ns_, static_cast<uint64_t>(left_s * 1e9));
        Identity identity{config.prefix + claims.identity, std::move(claims.roles)};
        return {&core.cache.put(Cache::Kind::token, token, generation, now_ns + kept_ns, &identity)
                     .identity};
    }

    Verdict settle_token(Request& request, const Credentials& given, const Judged& judged) {
        if (judged.identity) return settle(request, given, judged.identity, Outcome::token);
        if (judged.lacks_keys && !judged.lacks_keys->has_keys())
            return unavailable(request, "The keys of this token's issuer cannot be had now.");
        ++refusals_[static_cast<size_t>(judged.refusal)];
        return unauthorized(request, "The token is refused.", describe(judged.refusal));
    }

    // ---- Passwords ----

    Verdict ask_password(Request& request, const Credentials& given) {
        auto named = parse_basic(given.value);
        if (!named) return settle_password(request, given, nullptr);
        const Cache::Entry* known = request.core<CoreState>().cache.find(
            Cache::Kind::password, given.value, 0, request.raw().now_ns);
        if (known)
            return settle_password(request, given, known->known ? &known->identity : nullptr);
        if (password_checks_.fetch_add(1) >= kPasswordChecksMost) {
            --password_checks_;
            return unavailable(request, "Too many passwords are being checked.");
        }
        ringtime::Token token = request.pause(kPasswordTimeout);
        auto check = [this, tried = *std::move(named)] {
            return passwords_.check(tried.name, tried.password);
        };
        auto done = [this, token](std::optional<bool> right) {
            --password_checks_;
            Resumed how = !right   ? Resumed::password_unknown
                          : *right ? Resumed::password_right
                                   : Resumed::password_wrong;
            token.resume(static_cast<uint64_t>(how));
        };
        if (token && request.on_core().run(std::move(check), done)) return Verdict::paused;
        --password_checks_;
        return unavailable(request, "Too many passwords are being checked.");
    }

    Verdict settle_password(Request& request, const Credentials& given, const Identity* identity) {
        if (identity) return settle(request, given, identity, Outcome::password);
        return unauthorized(request, "The name or the password is wrong.");
    }

    // ---- What comes of it ----

    Verdict settle(Request& request, const Credentials& given, const Identity* identity,
                   Outcome outcome) {
        switch (rules_.ask(request.full_path(), request.method_text(), identity)) {
            case Rules::Answer::yes: break;
            case Rules::Answer::who_are_you:
                return unauthorized(request, "Say who you are.");
            case Rules::Answer::no:
                count(Outcome::forbidden);
                return request.refuse(403, "forbidden", "Your roles do not allow this.");
        }
        count(outcome);
        if (!identity) return Verdict::next;
        std::string roles;
        for (const std::string& role : identity->roles)
            roles.append(roles.empty() ? "" : ",").append(encode(role));
        bool told = request.set("x-identity", encode(identity->name)) &&
                    (roles.empty() || request.set("x-ringtime-roles", roles)) &&
                    (forward_ || request.fields().remove(given.field));
        return told ? Verdict::next : Verdict::failed;
    }

    /// RFC 9110 section 11.6.1, RFC 6750 section 3: all the ways to come in, and what was wrong.
    Verdict unauthorized(Request& request, std::string_view text, std::string_view refused = {}) {
        count(Outcome::unauthorized);
        std::string bearer = bearer_challenge_;
        if (!refused.empty())
            bearer.append(", error=\"invalid_token\", error_description=\"")
                .append(refused)
                .append("\"");
        constexpr const char* name = "www-authenticate";
        constexpr const char* code = "unauthorized";
        if (passwords_.empty()) return request.refuse(401, code, text, {{name, bearer}});
        if (keys_.empty() && issuers_.empty())
            return request.refuse(401, code, text, {{name, basic_challenge_}});
        return request.refuse(401, code, text, {{name, bearer}, {name, basic_challenge_}});
    }

    Verdict unavailable(Request& request, std::string_view text) {
        count(Outcome::unavailable);
        return request.refuse(503, "unavailable", text, {{"retry-after", "1"}});
    }

    // ---- Telling ----

    void count(Outcome outcome) {
        outcomes_[static_cast<size_t>(outcome)].fetch_add(1, std::memory_order_relaxed);
    }

    void tell(const ringtime::MetricWriter& writer) {
        for (size_t i = 0; i < kOutcomes.size(); ++i)
            writer.counter("authn.requests", "Requests by who they are from",
                           static_cast<double>(outcomes_[i].load()), {{"outcome", kOutcomes[i]}});
        for (size_t i = 1; i < kRefusals; ++i)
            writer.counter("authn.tokens.refused", "Tokens refused",
                           static_cast<double>(refusals_[i].load()),
                           {{"reason", describe(static_cast<Refusal>(i))}});
        for (const auto& issuer : issuers_) count_keys(writer, *issuer);
    }

    static void count_keys(const ringtime::MetricWriter& writer, const Issuer& issuer) {
        Issuer::Counts counts = issuer.counts();
        ringtime::Line label("issuer", issuer.config().expected.issuer);
        writer.gauge("authn.jwks.keys", "Keys that tokens are checked with",
                     static_cast<double>(counts.keys), {label});
        writer.counter("authn.jwks.fetches", "Times the keys were asked for",
                       static_cast<double>(counts.fetches), {label});
        writer.counter("authn.jwks.failures", "Times they could not be had",
                       static_cast<double>(counts.failures), {label});
        if (counts.fetched_wall_s)
            writer.gauge("authn.jwks.age", "Seconds since the keys were fetched",
                         wall_seconds() - static_cast<double>(counts.fetched_wall_s), {label});
    }

    bool has_keys() {
        for (const auto& issuer : issuers_) {
            if (!issuer->has_keys()) return false;
        }
        return true;
    }

    std::string key_header_;
    bool forward_;
    uint64_t cache_ns_;
    ApiKeys keys_;
    Passwords passwords_;
    Rules rules_;
    std::string basic_challenge_;
    std::string bearer_challenge_;
    std::vector<std::unique_ptr<Issuer>> issuers_;
    std::atomic<unsigned> password_checks_{0};
    std::array<std::atomic<uint64_t>, kOutcomes.size()> outcomes_{};
    std::array<std::atomic<uint64_t>, kRefusals> refusals_{};
};

}  // namespace

RINGTIME_PLUGIN(Authn)
