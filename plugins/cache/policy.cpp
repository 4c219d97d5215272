#include "policy.h"

#include <algorithm>
#include <array>

#include "../shared/ascii.h"

namespace cache {
namespace {

using shared::lower;
using shared::same_name;

// Final statuses whose meaning does not depend on who asks.
constexpr std::array<uint16_t, 9> kStatuses = {200, 203, 300, 301, 302, 307, 308, 404, 410};

// Of this connection or this answer only, or the gateway's to write: no plugin may send those.
constexpr std::array<std::string_view, 16> kNotKept = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade", "http2-settings", "host", "expect", "content-length", "date",
    "age", "x-request-id", "cache-status"};

// What is edited on the way to the target, but says there what the key, or the client's own line,
// says here.
constexpr std::array<std::string_view, 7> kSaidByKey = {
    "host", "accept-encoding", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-prefix",
    "x-base", "x-vhost-tenant"};

template <size_t Count>
bool is_one_of(const std::array<std::string_view, Count>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

Directives directives(const ringtime::Fields& fields) {
    Directives out;
    read_directives(combined(fields, "cache-control"), out);
    return out;
}

/// Section 4.2.3, with what the gateway does not see (the delay of the answer) as 0.
uint64_t age_of(const ringtime::Fields& fields, int64_t wall_s) {
    Directives age;
    read_directives("max-age=" + combined(fields, "age"), age);
    uint64_t out = age.max_age.value_or(0);
    std::optional<int64_t> date = parse_date(fields.get("date"));
    if (date && *date < wall_s) out = std::max(out, static_cast<uint64_t>(wall_s - *date));
    return out;
}

/// Section 4.2.1; nothing when the response does not say: we do not guess.
std::optional<uint64_t> lifetime_of(const ringtime::Fields& fields, const Directives& said,
                                    int64_t wall_s) {
    if (said.shared_max_age) return said.shared_max_age;
    if (said.max_age) return said.max_age;
    std::string_view expires = fields.get("expires");
    if (!expires.data()) return std::nullopt;
    std::optional<int64_t> end = parse_date(expires);
    int64_t from = parse_date(fields.get("date")).value_or(wall_s);
    if (!end || *end <= from) return 0;
    return static_cast<uint64_t>(*end - from);
}

bool may_store(const ringtime::Fields& fields, const Directives& said, const Asked& asked) {
    if (said.no_store || said.is_private || said.no_cache) return false;
    bool for_all = said.is_public || said.shared_max_age || said.must_revalidate;
    if (asked.personal && !for_all) return false;
    // Allowed, and how one client gets another's session.
    return !fields.has("set-cookie") && !fields.has("content-range");
}

/// A tag as weak comparison sees it (RFC 9110 section 8.8.3.2).
std::string_view opaque(std::string_view tag) {
    return tag.substr(tag.substr(0, 2) == "W/" ? 2 : 0);
}

/// Whether a 304 tells it anew. What describes the content does not change with it, and Vary is
/// what the response is found by.
bool is_updated(std::string_view name) {
    return name != "content-type" && name != "content-encoding" && name != "vary" &&
           name != "etag" && name != "last-modified" && !is_one_of(kNotKept, name);
}

/// What Vary names, with what was said there. Nothing when that does not tell who gets the same:
/// the target saw another value, an address above all.
std::optional<std::vector<std::pair<std::string, std::string>>> read_vary(
    const ringtime::Fields& response, const ringtime::Fields& sent, const Said& said) {
    std::vector<std::pair<std::string, std::string>> out;
    bool good = true;
    each_member(combined(response, "vary"), [&](std::string_view member) {
        std::string name = lower(member);
        std::string value = said(name);
        good = good && name != "*" &&
               (is_one_of(kSaidByKey, name) || value == combined(sent, name));
        out.emplace_back(std::move(name), std::move(value));
    });
    if (!good) return std::nullopt;
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace

std::string combined(const ringtime::Fields& fields, std::string_view wanted) {
    std::string out;
    fields.each([&](std::string_view name, std::string_view value) {
        if (same_name(name, wanted)) out.append(out.empty() ? "" : ", ").append(value);
    });
    return out;
}

Said::Said(const ringtime::Fields& fields) {
    fields.each([&](std::string_view name, std::string_view value) {
        lines_.append(lower(name)).append(1, '\n').append(value).append(1, '\n');
    });
}

std::string Said::operator()(std::string_view wanted) const {
    std::string out;
    std::string_view rest = lines_;
    auto next = [&rest] {
        std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(line.size() + 1);
        return line;
    };
    while (!rest.empty()) {
        bool same = next() == wanted;
        std::string_view value = next();
        if (same) out.append(out.empty() ? "" : ", ").append(value);
    }
    return out;
}

Asked read_request(const ringtime::Request& request) {
    Asked out;
    ringtime_method method = request.method();
    if (method != RINGTIME_METHOD_GET && method != RINGTIME_METHOD_HEAD) return out;
    out.directives = directives(request.fields());
    if (request.field("pragma").data() && !request.field(RINGTIME_FIELD_CACHE_CONTROL).data())
        out.directives.no_cache = true;
    // Somebody whom a plugin before us knows gets nothing of others and leaves nothing to them.
    bool plain = !(request.raw().flags & RINGTIME_REQUEST_HAS_BODY) &&
                 !request.field(RINGTIME_FIELD_X_IDENTITY).data() &&
                 !request.field(RINGTIME_FIELD_RANGE).data() &&
                 !request.field(RINGTIME_FIELD_UPGRADE).data() &&
                 !request.field(RINGTIME_FIELD_IF_MATCH).data() &&
                 !request.field(RINGTIME_FIELD_IF_UNMODIFIED_SINCE).data() &&
                 !request.field(RINGTIME_FIELD_IF_RANGE).data() && !out.directives.no_store;
    bool authorized = request.field(RINGTIME_FIELD_AUTHORIZATION).data();
    out.personal = authorized || request.field(RINGTIME_FIELD_COOKIE).data();
    out.may_look = plain && !authorized && !out.directives.no_cache;
    out.may_store = plain && method == RINGTIME_METHOD_GET;
    return out;
}

std::optional<Stored> read_response(const ringtime::Request& request,
                                    const ringtime::Response& response, const Asked& asked,
                                    const Said& said, int64_t wall_s) {
    ringtime::Fields fields = response.fields();
    Directives allowed = directives(fields);
    bool status = std::find(kStatuses.begin(), kStatuses.end(), response.status()) !=
                  kStatuses.end();
    // What the gateway says itself (an upstream is down, no such site) is over when the cause is.
    if (!asked.may_store || !status || !may_store(fields, allowed, asked) ||
        response.raw().flags & RINGTIME_RESPONSE_FROM_GATEWAY ||
        request.field(RINGTIME_FIELD_X_IDENTITY).data())
        return std::nullopt;
    Stored out;
    out.status = response.status();
    out.age_at_first = age_of(fields, wall_s);
    out.stored_ns = request.raw().now_ns;
    out.lifetime_s = lifetime_of(fields, allowed, wall_s).value_or(0);
    if (out.lifetime_s <= out.age_at_first) return std::nullopt;
    auto vary = read_vary(fields, request.fields(), said);
    if (!vary) return std::nullopt;
    out.vary = std::move(*vary);
    fields.each([&](std::string_view name, std::string_view value) {
        std::string kept = lower(name);
        if (is_one_of(kNotKept, kept)) return;
        if (kept == "etag") out.etag = value;
        if (kept == "last-modified") out.last_modified = value;
        out.fields.emplace_back(std::move(kept), value);
    });
    return out;
}

bool confirms(const ringtime::Response& response, const Stored& kept, Question question) {
    std::string_view etag = response.field("etag");
    // What the client has may be anything: only a strong tag tells that it is what we have.
    if (question == Question::of_client)
        return !kept.etag.empty() && kept.etag[0] == '"' && etag == kept.etag;
    return kept.etag.empty() || !etag.data() || opaque(etag) == opaque(kept.etag);
}

Freshened freshened(const Stored& kept, const ringtime::Request& request,
                    const ringtime::Response& response, const Asked& asked, int64_t wall_s) {
    ringtime::Fields fields = response.fields();
    auto out = std::make_shared<Stored>(kept);
    out->age_at_first = age_of(fields, wall_s);
    out->stored_ns = request.raw().now_ns;
    out->lifetime_s =
        lifetime_of(fields, directives(fields), wall_s).value_or(kept.lifetime_s);
    std::vector<std::pair<std::string, std::string>> newer;
    fields.each([&](std::string_view name, std::string_view value) {
        if (is_updated(lower(name))) newer.emplace_back(lower(name), value);
    });
    auto replaced = [&](const auto& line) {
        return std::any_of(newer.begin(), newer.end(),
                           [&](const auto& other) { return other.first == line.first; });
    };
    out->fields.erase(std::remove_if(out->fields.begin(), out->fields.end(), replaced),
                      out->fields.end());
    out->fields.insert(out->fields.end(), newer.begin(), newer.end());
    Directives said;
    for (const auto& [name, value] : out->fields) {
        if (name == "cache-control") read_directives(value, said);
    }
    bool may = may_store(fields, said, asked) && out->lifetime_s > out->age_at_first;
    return {std::move(out), may};
}

bool ask_about(const Stored& kept, ringtime::Request& request) {
    // What the client has is its own matter: an answer to both questions could be about either.
    if (request.field(RINGTIME_FIELD_IF_NONE_MATCH).data() ||
        request.field(RINGTIME_FIELD_IF_MODIFIED_SINCE).data())
        return false;
    // The better one alone: who understands only dates would take both for a date.
    if (!kept.etag.empty()) return request.set("if-none-match", kept.etag);
    return parse_date(kept.last_modified) && request.set("if-modified-since", kept.last_modified);
}

bool is_fresh(const Stored& kept, const Directives& asked, uint64_t now_ns) {
    uint64_t age = kept.age_s(now_ns);
    // Nothing is 0 seconds old: that is how a browser says that it wants the target asked.
    uint64_t most = asked.max_age.value_or(kSecondsMost);
    return age + asked.min_fresh.value_or(0) < kept.lifetime_s && age <= most && most > 0;
}

bool is_unchanged(const Stored& kept, const ringtime::Request& request) {
    std::string tags = combined(request.fields(), "if-none-match");
    if (!tags.empty()) {
        bool found = false;
        each_member(tags, [&](std::string_view tag) {
            found = found || tag == "*" ||
                    (!kept.etag.empty() && opaque(tag) == opaque(kept.etag));
        });
        return found;
    }
    std::optional<int64_t> since = parse_date(request.field(RINGTIME_FIELD_IF_MODIFIED_SINCE));
    std::optional<int64_t> modified = parse_date(kept.last_modified);
    return since && modified && *modified <= *since;
}

}  // namespace cache
