#pragma once
// What a site's HTML entrypoint gets added: `<base href>`, so that one build works under any mount,
// and `window.__env__`. Pure; done once per file version.

#include <string>
#include <string_view>

namespace ringtime::site {

/// The markup to add. `base` is a mount's base path (`/shop`), null data: no base element.
/// `env_json` is a JSON object, empty: no script.
[[nodiscard]] std::string injection_of(std::string_view base, std::string_view env_json);

/// Where it belongs: right behind the `<head>` tag in any capitalisation, else behind `<html>`,
/// else behind the doctype, else at the start. First in the head, so that it comes before every URL
/// it affects and before a base element of the file's own: the first one counts. Comments do not
/// count.
[[nodiscard]] size_t injection_point(std::string_view html) noexcept;

}  // namespace ringtime::site
