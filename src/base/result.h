#pragma once
// Result<T>: a value or an 8-byte Error, returned in registers where T allows it. For the data
// path; start-up code that must explain itself to an operator uses exceptions or diagnostics
// instead. (std::expected of g++ 12 is not trivially copyable.)

#include <cstdint>
#include <type_traits>
#include <utility>

#include "base/assert.h"
#include "base/reason.h"

namespace ringtime {

/// Who caused an error, for logs and for deciding whom to blame.
enum class Source : uint8_t { none, client, upstream, worker, plugin, gateway };

/// Whether the same thing may be tried again elsewhere without harm.
enum class Retry : uint8_t { no, yes };

struct Error {
    Reason reason = Reason::none;
    Source source = Source::none;
    Retry retry = Retry::no;
    uint8_t unused = 0;
    uint32_t detail = 0;  ///< An errno, or a code of the folder that made it; 0 when there is none.

    [[nodiscard]] constexpr bool ok() const noexcept { return reason == Reason::none; }
    friend constexpr bool operator==(const Error&, const Error&) = default;
};
static_assert(sizeof(Error) == 8);
static_assert(std::is_trivially_copyable_v<Error>);

template <typename T>
class [[nodiscard]] Result {
 public:
    constexpr Result(T value) noexcept : value_(std::move(value)) {}
    constexpr Result(Error error) noexcept : error_(error) { ASSERT(!error.ok()); }

    [[nodiscard]] constexpr bool ok() const noexcept { return error_.ok(); }
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return ok(); }
    [[nodiscard]] constexpr Error error() const noexcept { return error_; }
    [[nodiscard]] constexpr T& value() noexcept {
        ASSERT(ok());
        return value_;
    }
    [[nodiscard]] constexpr const T& value() const noexcept {
        ASSERT(ok());
        return value_;
    }
    constexpr T* operator->() noexcept { return &value(); }
    constexpr T& operator*() noexcept { return value(); }

 private:
    T value_{};
    Error error_{};
};

/// A fallible operation without a value.
using Status = Error;

}  // namespace ringtime

#define RINGTIME_CONCAT_(a, b) a##b
#define RINGTIME_CONCAT(a, b) RINGTIME_CONCAT_(a, b)

// TRY(name, expression): declares `name` as the value of a Result, or returns its error.
#define TRY(name, expression)                                                       \
    auto RINGTIME_CONCAT(result_of_, name) = (expression);                          \
    if (!RINGTIME_CONCAT(result_of_, name).ok()) [[unlikely]]                       \
        return RINGTIME_CONCAT(result_of_, name).error();                           \
    auto& name = RINGTIME_CONCAT(result_of_, name).value()

// TRY_STATUS(expression): returns the error of a Status unless it is ok.
#define TRY_STATUS(expression)                                                      \
    do {                                                                            \
        if (::ringtime::Error error_of_try = (expression); !error_of_try.ok()) [[unlikely]] \
            return error_of_try;                                                    \
    } while (false)
