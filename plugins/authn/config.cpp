#include "config.h"

#include <algorithm>
#include <initializer_list>
#include <stdexcept>

namespace authn {
namespace {

using simdjson::dom::element;

constexpr size_t kConfigBytesMost = 1024 * 1024;

/// One object of the configuration and its name.
class Section {
 public:
    Section(JsonObject object, std::string name, std::initializer_list<std::string_view> known)
        : object_(object), name_(std::move(name)) {
        for (simdjson::dom::key_value_pair member : object) {
            if (std::find(known.begin(), known.end(), member.key) != known.end()) continue;
            std::string all;
            for (std::string_view each : known) all.append(all.empty() ? "" : ", ").append(each);
            fail(member.key, "is not known here; known are: " + all);
        }
    }
    [[noreturn]] void fail(std::string_view member, const std::string& what) const {
        throw std::invalid_argument(name_ + "." + std::string(member) + " " + what);
    }
    [[nodiscard]] const std::string& name() const { return name_; }

    [[nodiscard]] std::string text(std::string_view member, std::string_view otherwise) const {
        std::string_view out = otherwise;
        if (string_member(object_, member, out) == Member::of_other_type)
            fail(member, "is no text");
        return std::string(out);
    }
    [[nodiscard]] std::vector<std::string_view> texts(std::string_view member) const {
        std::vector<std::string_view> out;
        if (strings_member(object_, member, OneString::whole, out) == Member::of_other_type)
            fail(member, "is no list of texts");
        return out;
    }
    [[nodiscard]] unsigned seconds(std::string_view member, unsigned otherwise, unsigned least,
                                   unsigned most) const {
        double out = otherwise;
        Member found = number_member(object_, member, out);
        if (found == Member::of_other_type || !(out >= least && out <= most))
            fail(member, "is a number of seconds from " + std::to_string(least) + " to " +
                             std::to_string(most));
        return static_cast<unsigned>(out);
    }

 private:
    JsonObject object_;
    std::string name_;
};

std::string beside(const std::string& folder, const std::string& file) {
    return file.empty() || file[0] == '/' ? file : folder + "/" + file;
}

std::vector<Account> accounts(const Section& section, std::string_view list,
                              const std::string& folder) {
    std::vector<Account> out;
    std::string file = section.text("file", {});
    if (!file.empty()) out = read_accounts(beside(folder, file));
    for (std::string_view line : section.texts(list))
        out.push_back(read_account(line, section.name() + "." + std::string(list)));
    return out;
}

IssuerConfig issuer(const Section& section, const std::string& folder) {
    IssuerConfig out;
    out.expected.issuer = section.text("issuer", {});
    if (out.expected.issuer.empty()) section.fail("issuer", "is missing");
    for (std::string_view audience : section.texts("audience"))
        out.expected.audiences.emplace_back(audience);
    if (out.expected.audiences.empty())
        section.fail("audience", "is missing: a token that was made for another service must not "
                                 "open this one (`*` takes every token)");
    out.expected.identity_claim = section.text("identity", "sub");
    out.expected.roles_claim = section.text("roles", "roles");
    out.expected.leeway_s = section.seconds("leeway", 60, 0, 600);
    out.prefix = section.text("prefix", {});
    out.refresh_least_s = section.seconds("refreshLeast", 30, 1, 3600);
    out.refresh_s = section.seconds("refresh", std::max(3600u, out.refresh_least_s),
                                    out.refresh_least_s, 604'800);
    std::string keys = section.text("jwks", {});
    if (keys.empty()) section.fail("jwks", "is missing: a file or an address");
    if (keys.find("://") == keys.npos) {
        out.file = beside(folder, keys);
    } else if (keys.compare(0, 7, "http://") == 0 || keys.compare(0, 8, "https://") == 0) {
        out.url = keys;
    } else {
        section.fail("jwks", "is neither a file nor an http:// or https:// address");
    }
    out.authorities_file = beside(folder, section.text("ca", {}));
    if (!out.authorities_file.empty() && keys.compare(0, 8, "https://") != 0)
        section.fail("ca", "means nothing unless `jwks` is an https:// address");
    return out;
}

Rule rule(const Section& section) {
    Rule out{{section.texts("paths"), section.texts("methods"), section.name()},
             Access::somebody,
             {}};
    for (std::string_view role : section.texts("roles")) out.roles.emplace_back(role);
    std::string allow = section.text("allow", "somebody");
    if (allow == "anyone") {
        out.access = Access::anyone;
    } else if (allow == "nobody") {
        out.access = Access::nobody;
    } else if (allow != "somebody") {
        section.fail("allow", "is one of anyone, somebody, nobody");
    }
    if (out.access != Access::somebody && !out.roles.empty())
        section.fail("roles", "mean nothing beside `allow: " + allow + "`");
    return out;
}

/// Calls `visit(object, name)` for each object of a list.
template <typename Visit>
void each(const JsonObject& root, const std::string& list, Visit visit) {
    element value;
    if (root.at_key(list).get(value) != simdjson::SUCCESS || value.is_null()) return;
    simdjson::dom::array items;
    if (value.get(items) != simdjson::SUCCESS)
        throw std::invalid_argument(list + " is no list");
    size_t index = 0;
    for (element item : items) {
        std::string name = list + "[" + std::to_string(index++) + "]";
        JsonObject object;
        if (item.get(object) != simdjson::SUCCESS)
            throw std::invalid_argument(name + " is no object");
        visit(object, name);
    }
}

JsonObject object_member(const JsonObject& root, const char* name) {
    JsonObject out;
    if (root.at_key(name).get(out) != simdjson::SUCCESS)
        throw std::invalid_argument(std::string(name) + " is no object");
    return out;
}

bool has(const JsonObject& root, const char* name) {
    element value;
    return root.at_key(name).get(value) == simdjson::SUCCESS && !value.is_null();
}

}  // namespace

Config read_config(std::string_view json, const std::string& folder) {
    JsonReader reader(kConfigBytesMost);
    std::optional<JsonObject> root = reader.object(json);
    if (!root) throw std::invalid_argument("the configuration is too large or says a thing twice");
    Section all(*root, "config",
                {"realm", "forwardCredentials", "cache", "apiKeys", "basic", "jwt", "rules"});
    Config out;
    out.realm = all.text("realm", "ringtime");
    for (char c : out.realm) {
        if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\' || c == 0x7f)
            all.fail("realm", "holds a character that cannot be quoted");
    }
    out.cache_s = all.seconds("cache", 60, 0, 300);
    if (has(*root, "forwardCredentials") &&
        root->at_key("forwardCredentials").get(out.forward_credentials) != simdjson::SUCCESS)
        all.fail("forwardCredentials", "is true or false");
    if (has(*root, "apiKeys")) {
        Section keys(object_member(*root, "apiKeys"), "apiKeys", {"header", "keys", "file"});
        out.key_header = keys.text("header", "x-api-key");
        out.keys = accounts(keys, "keys", folder);
    }
    if (has(*root, "basic")) {
        Section basic(object_member(*root, "basic"), "basic", {"users", "file"});
        out.passwords = accounts(basic, "users", folder);
    }
    each(*root, "jwt", [&](JsonObject object, const std::string& name) {
        out.issuers.push_back(issuer(
            Section(object, name, {"issuer", "audience", "jwks", "identity", "roles", "prefix",
                                   "leeway", "refresh", "refreshLeast", "ca"}),
            folder));
    });
    each(*root, "rules", [&](JsonObject object, const std::string& name) {
        out.rules.push_back(rule(Section(object, name, {"paths", "methods", "roles", "allow"})));
    });
    return out;
}

}  // namespace authn
