// A set of interrupt vectors: IRR, ISR and TMR (LA 1).
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace ticklab::sim {

/// Vectors 0..255.
class VectorSet {
public:
    bool test(std::uint8_t v) const { return (words_[v >> 6] >> (v & 63)) & 1; }
    void set(std::uint8_t v) { words_[v >> 6] |= bit(v); }
    void reset(std::uint8_t v) { words_[v >> 6] &= ~bit(v); }
    void assign(std::uint8_t v, bool on) { words_[v >> 6] = (words_[v >> 6] & ~bit(v)) | (on ? bit(v) : 0); }
    void clear() { words_ = {}; }

    /// The highest vector of the set; 0 if it is empty. (Vector 0 itself is illegal and never held.)
    std::uint8_t highest() const {
        for (unsigned i = 4; i-- > 0;)
            if (words_[i])
                return static_cast<std::uint8_t>(i * 64 + 63 - static_cast<unsigned>(std::countl_zero(words_[i])));
        return 0;
    }
    unsigned count() const {
        unsigned n = 0;
        for (const std::uint64_t w : words_)
            n += static_cast<unsigned>(std::popcount(w));
        return n;
    }
    /// Vectors 32i to 32i+31, as the 32-bit registers show them; i < 8.
    std::uint32_t word(unsigned i) const { return static_cast<std::uint32_t>(words_[i / 2] >> (i % 2 * 32)); }
    /// The 16 vectors of one priority class (0..15).
    std::uint16_t priority_class(unsigned c) const { return static_cast<std::uint16_t>(words_[c / 4] >> (c % 4 * 16)); }

    friend bool operator==(const VectorSet&, const VectorSet&) = default;

private:
    static constexpr std::uint64_t bit(std::uint8_t v) { return std::uint64_t{1} << (v & 63); }

    std::array<std::uint64_t, 4> words_{};
};

}  // namespace ticklab::sim
