#pragma once
// Bits of methods as the tables of these tests use them.

#include <cstdint>

namespace ringtime::route {

inline constexpr uint16_t get = 1 << 1;
inline constexpr uint16_t post = 1 << 3;

}  // namespace ringtime::route
