// Counts of whole numbers by size, in buckets of at most 1/64 of their value: percentiles without floating point.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace ticklab::lab {

class Histogram {
public:
    void add(std::uint64_t value) {
        const std::size_t bucket = bucket_of(value);
        if (bucket >= counts_.size())
            counts_.resize(bucket + 1);
        ++counts_[bucket];
        ++count_;
        min_ = std::min(min_, value);
        max_ = std::max(max_, value);
    }
    std::uint64_t count() const { return count_; }
    std::uint64_t min() const { return count_ == 0 ? 0 : min_; }
    std::uint64_t max() const { return max_; }
    /// The least value v, up to the width of its bucket, so that at least `per_10000` of 10000 values are at most v.
    std::uint64_t percentile(std::uint64_t per_10000) const {
        const std::uint64_t rank = (count_ / 10000) * per_10000 + ((count_ % 10000) * per_10000 + 9999) / 10000;
        std::uint64_t seen = 0;
        for (std::size_t b = 0; b < counts_.size(); ++b) {
            seen += counts_[b];
            if (seen != 0 && seen >= rank)
                return std::clamp(top_of(b), min_, max_);
        }
        return max_;
    }

private:
    static constexpr unsigned kPrecisionBits = 6;
    static constexpr std::uint64_t kSmall = std::uint64_t{1} << (kPrecisionBits + 1);

    static std::size_t bucket_of(std::uint64_t value) {
        if (value < kSmall)
            return static_cast<std::size_t>(value);
        const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kPrecisionBits - 1;
        return static_cast<std::size_t>((std::uint64_t{shift} << kPrecisionBits) + (value >> shift));
    }
    static std::uint64_t top_of(std::size_t bucket) {
        if (bucket < kSmall)
            return bucket;
        const unsigned shift = static_cast<unsigned>(bucket >> kPrecisionBits) - 1;
        const std::uint64_t mantissa =
            (bucket & ((std::uint64_t{1} << kPrecisionBits) - 1)) | (std::uint64_t{1} << kPrecisionBits);
        return (mantissa << shift) + ((std::uint64_t{1} << shift) - 1);
    }

    std::vector<std::uint64_t> counts_;
    std::uint64_t count_ = 0;
    std::uint64_t min_ = ~std::uint64_t{0};
    std::uint64_t max_ = 0;
};

}  // namespace ticklab::lab
