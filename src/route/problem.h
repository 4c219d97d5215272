#pragma once
// What the builders of this folder have to say about their input. Ids are the caller's, so that it
// can name files and lines; the message says what was written and why it cannot be.

#include <cstdint>
#include <string>

#include "route/radix.h"

namespace ringtime::route {

enum class Severity : uint8_t { error, warning };

enum class ProblemCode : uint8_t {
    bad_host,
    bad_base,
    bad_version,
    bad_glob,
    bad_pattern,
    unknown_mount,        ///< A public route of an app that mounts nothing.
    same_base,            ///< Two mounts with one host and base.
    same_version,         ///< Two folders of one app with one version.
    spelled_version,      ///< A base such as `/app@1` that is also a version of `/app`.
    same_pattern,         ///< Two plugin routes with one pattern and a method in common.
    reserved,             ///< A base at or under a reserved path.
    hosts_nest_too_deep,
    too_many_mounts,
    globs_too_complex,    ///< No automaton within the caps.
    shadowed_public,      ///< Warning: a public route that can never decide.
};

/// What the ids of a problem name.
enum class Subject : uint8_t { nothing, mount, public_route, handler };

struct Problem {
    Severity severity = Severity::error;
    ProblemCode code = ProblemCode::bad_base;
    Subject first_is = Subject::nothing;
    Subject second_is = Subject::nothing;
    uint32_t first = none;   ///< Id of a mount, source of a public route, or handler.
    uint32_t second = none;  ///< The other side of a conflict; none if there is no other.
    std::string message;
};

}  // namespace ringtime::route
