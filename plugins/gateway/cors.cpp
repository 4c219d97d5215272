#include "cors.h"

#include <algorithm>
#include <stdexcept>

#include "../shared/ascii.h"

namespace {

constexpr std::string_view kFields[] = {
    "access-control-allow-origin", "access-control-allow-credentials",
    "access-control-expose-headers", "access-control-allow-methods",
    "access-control-allow-headers", "access-control-max-age"};

std::string joined(const std::vector<std::string_view>& parts) {
    std::string out;
    for (std::string_view part : parts) {
        if (!out.empty()) out += ", ";
        out += part;
    }
    return out;
}

/// Whether a list such as that of Vary has the name, or `*`.
bool lists(std::string_view list, std::string_view name) {
    while (!list.empty()) {
        std::string_view part = list.substr(0, list.find(','));
        list.remove_prefix(std::min(list.size(), part.size() + 1));
        while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
        while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
        if (part == "*" || shared::same_name(part, name)) return true;
    }
    return false;
}

/// `https://*.example.com` takes one more label or several, never the bare name.
bool matches(std::string_view pattern, std::string_view origin) {
    size_t star = pattern.find("://*.");
    if (star == pattern.npos) return pattern == origin;
    std::string_view scheme = pattern.substr(0, star + 3);
    std::string_view rest = pattern.substr(star + 4);
    if (origin.size() <= scheme.size() + rest.size() || origin.substr(0, scheme.size()) != scheme ||
        origin.substr(origin.size() - rest.size()) != rest)
        return false;
    std::string_view labels =
        origin.substr(scheme.size(), origin.size() - scheme.size() - rest.size());
    return labels.find_first_of("/:@") == labels.npos;
}

void check_origin(std::string_view origin) {
    size_t host = origin.find("://");
    bool plain = host != origin.npos && host > 0 && host + 3 < origin.size() &&
                 origin.find('/', host + 3) == origin.npos &&
                 std::none_of(origin.begin(), origin.end(),
                              [](char c) { return c >= 'A' && c <= 'Z'; });
    if (!plain)
        throw std::invalid_argument("cors.origins: \"" + std::string(origin) +
                                    "\" is no origin: write `https://shop.example` in small "
                                    "letters, without a path, or `*`");
}

}  // namespace

Cors::Cors(const ringtime::Context& context)
    : credentials_(context.boolean("cors.credentials")),
      headers_text_(joined(context.strings("cors.headers"))),
      exposed_text_(joined(context.strings("cors.expose"))),
      max_age_text_(std::to_string(context.integer("cors.maxAge", 600))) {
    for (std::string_view origin : context.strings("cors.origins")) {
        if (origin == "*") {
            any_ = true;
            continue;
        }
        check_origin(origin);
        origins_.emplace_back(origin);
    }
    if (any_ && credentials_)
        throw std::invalid_argument(
            "cors: with `credentials` every origin must be named: `*` would let any page act for "
            "whoever looks at it");
    std::vector<std::string_view> methods = context.strings("cors.methods");
    if (methods.empty()) methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    methods_.assign(methods.begin(), methods.end());
    methods_text_ = joined(methods);
}

bool Cors::allows(std::string_view origin) const {
    return any_ || std::any_of(origins_.begin(), origins_.end(), [&](const std::string& pattern) {
               return matches(pattern, origin);
           });
}

bool Cors::allows_method(std::string_view method) const {
    return std::find(methods_.begin(), methods_.end(), method) != methods_.end();
}

ringtime::Verdict Cors::on_request(ringtime::Request& request) const {
    if (!active() || request.method_text() != "OPTIONS") return ringtime::Verdict::next;
    std::string_view origin = request.field(RINGTIME_FIELD_ORIGIN);
    std::string_view method = request.field("access-control-request-method");
    if (!origin.data() || !method.data()) return ringtime::Verdict::next;
    // on_response says whose origin may.
    if (!allows(origin)) return request.refuse(403, "cors", "CORS: this origin is not allowed.");
    if (!allows_method(method))
        return request.refuse(403, "cors", "CORS: this method is not allowed.");
    std::string_view asked = request.field("access-control-request-headers");
    std::string_view headers = headers_text_.empty() ? asked : std::string_view(headers_text_);
    return request.respond(204, {},
                           {{"access-control-allow-methods", methods_text_},
                            {"access-control-allow-headers", headers},
                            {"access-control-max-age", max_age_text_},
                            {"vary", "Access-Control-Request-Headers"}});
}

void Cors::on_response(ringtime::Request& request, ringtime::Response& response) const {
    if (!active()) return;
    std::string_view origin = request.field(RINGTIME_FIELD_ORIGIN);
    bool preflight = request.method_text() == "OPTIONS" &&
                     request.field("access-control-request-method").data();
    for (std::string_view name : kFields) {
        // Of a preflight the answer is ours; of anything else a target may have spoken.
        if (!preflight || name == kFields[0]) response.fields().remove(name);
    }
    if (!any_) {  // Another origin gets another answer, so caches must know, whoever asked.
        std::string_view vary = response.field("vary");
        if (vary.empty()) {
            response.set("vary", "Origin");
        } else if (!lists(vary, "origin")) {
            response.set("vary", std::string(vary) + ", Origin");
        }
    }
    if (!origin.data() || !allows(origin)) return;
    response.set("access-control-allow-origin", any_ ? std::string_view("*") : origin);
    if (credentials_) response.set("access-control-allow-credentials", "true");
    if (!exposed_text_.empty() && !preflight)
        response.set("access-control-expose-headers", exposed_text_);
}
