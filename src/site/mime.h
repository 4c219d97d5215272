#pragma once
// Media types by extension, from the system's table at build time. Pure.

#include <string_view>

namespace ringtime::site {

inline constexpr std::string_view unknown_type = "application/octet-stream";

/// The type of an extension (any capitalisation, without dot); empty when it is not known.
[[nodiscard]] std::string_view media_type(std::string_view extension) noexcept;

/// True for types that are text and whose readers guess its encoding unless told.
[[nodiscard]] bool wants_charset(std::string_view type) noexcept;
[[nodiscard]] bool is_html(std::string_view type) noexcept;
/// False for what is compressed by its nature: nobody keeps `photo.jpg.br` beside it.
[[nodiscard]] bool may_have_codings(std::string_view type) noexcept;
/// True for text and what is as loosely packed as text: worth compressing unasked.
[[nodiscard]] bool compresses_well(std::string_view type) noexcept;

}  // namespace ringtime::site
