// A short mark of each record of a run, so that the first one in which two runs differ can be named and not only the
// link of the digest chain that it lies in.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/sim/record.hpp"
#include "ticklab/sim/record_stream.hpp"

namespace ticklab::lab {

/// Hexadecimal digits of a mark: two different records have the same one once in 65,536.
inline constexpr std::size_t kMarkDigits = 4;
/// The bits of record_hash() that a mark has.
inline constexpr std::uint64_t kMarkMask = (std::uint64_t{1} << (4 * kMarkDigits)) - 1;

/// Over what the digest covers of a record.
std::uint64_t record_hash(const sim::Record& record);

/// Of each base record, over what the digest covers of it; a string a link of the chain, the last as far as it came.
class RecordMarks final : public sim::RecordConsumer {
public:
    void consume(std::span<const sim::Record> batch) override;
    /// The next record, which is a base record; its mark.
    std::string_view add(const sim::Record& record);

    std::uint64_t size() const { return size_; }
    const std::vector<std::string>& links() const { return links_; }

private:
    std::vector<std::string> links_;
    std::uint64_t size_ = 0;
};

/// The mark of record `index`, from 0; empty if there are fewer.
std::string_view mark_at(const std::vector<std::string>& links, std::uint64_t index);

}  // namespace ticklab::lab
