#pragma once
// JSON of somebody who may lie: bounded in size and depth, and no object may name a member twice,
// because two readers of such an object may see two different things (RFC 7515 section 4, RFC 7519
// section 4). One reader per thread; what it returned is valid until it reads again.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

namespace authn {

using JsonObject = simdjson::dom::object;

class JsonReader {
 public:
    explicit JsonReader(size_t bytes_max);

    /// Nothing for what is no object, too large, too deep, no UTF-8, or says a thing twice.
    [[nodiscard]] std::optional<JsonObject> object(std::string_view text);

 private:
    size_t bytes_max_;
    simdjson::dom::parser parser_;
};

enum class Member { absent, of_type, of_other_type };

[[nodiscard]] Member string_member(const JsonObject&, std::string_view name,
                                   std::string_view& out);
/// Whole or not, as NumericDate of RFC 7519 may be.
[[nodiscard]] Member number_member(const JsonObject&, std::string_view name, double& out);
/// How one string in the place of a list is read: as a list of one, or as its words (`scope`).
enum class OneString { whole, words };
/// A list of strings; `path` reaches inside by dots.
[[nodiscard]] Member strings_member(const JsonObject&, std::string_view path, OneString one,
                                    std::vector<std::string_view>& out);

}  // namespace authn
