#pragma once
// What may be kept and what may be answered from it: RFC 9111 for a cache that many share, read
// strictly. Only what says itself how long it is fresh is kept; nothing stale is ever sent.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ringtime/plugin.hpp>

#include "directives.h"
#include "store.h"

namespace cache {

/// What a request allows.
struct Asked {
    Directives directives;
    bool may_look = false;   ///< Its answer may come from here.
    bool may_store = false;  ///< Its answer may be kept.
    /// It shows something that may be about somebody, so its answer is kept only when that says it
    /// is for everybody (RFC 9111 section 3.5, and cookies in the same way).
    bool personal = false;
};
[[nodiscard]] Asked read_request(const ringtime::Request& request);

/// The lines of a field in one, names in lower case; empty and absent are the same.
[[nodiscard]] std::string combined(const ringtime::Fields& fields, std::string_view lower);

/// The fields of a request as they were when it was looked up. Vary is about these: what is edited
/// behind us, on the way to the target, is not there yet when the next one is looked up.
class Said {
 public:
    Said() = default;
    explicit Said(const ringtime::Fields& fields);
    /// As combined().
    [[nodiscard]] std::string operator()(std::string_view lower) const;

 private:
    std::string lines_;  ///< `name\nvalue\n`: neither holds a line's end.
};

/// Everything of the response but its body; nothing when it may not be kept.
[[nodiscard]] std::optional<Stored> read_response(const ringtime::Request& request,
                                                  const ringtime::Response& response,
                                                  const Asked& asked, const Said& said,
                                                  int64_t wall_s);

/// Whether a 304 can be about the kept response: the target was asked about this one, or about that
/// which the client has.
enum class Question : uint8_t { ours, of_client };
[[nodiscard]] bool confirms(const ringtime::Response& response, const Stored& kept,
                            Question question);

/// The kept response with the fields of a 304 that confirms it (section 4.3.4).
struct Freshened {
    Kept response;
    bool may_store = false;
};
[[nodiscard]] Freshened freshened(const Stored& kept, const ringtime::Request& request,
                                  const ringtime::Response& response, const Asked& asked,
                                  int64_t wall_s);

/// Asks the target whether the kept response is still the one, in place of sending it again. False
/// when that cannot be asked: it has no validator, or the client asks something like it itself.
[[nodiscard]] bool ask_about(const Stored& kept, ringtime::Request& request);

/// Whether it is young enough for who asks.
[[nodiscard]] bool is_fresh(const Stored& kept, const Directives& asked, uint64_t now_ns);
/// Whether the request's condition makes it a 304 (RFC 9110 section 13.2.2).
[[nodiscard]] bool is_unchanged(const Stored& kept, const ringtime::Request& request);

}  // namespace cache
