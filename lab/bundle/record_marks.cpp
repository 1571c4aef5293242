#include "ticklab/lab/bundle/record_marks.hpp"

#include <fmt/format.h>

#include <iterator>

#include "ticklab/sim/choices.hpp"

namespace ticklab::lab {

using sim::RecordStream;

void RecordMarks::consume(std::span<const sim::Record> batch) {
    for (const sim::Record& record : batch)
        if (record.kind->digest_class == sim::DigestClass::kBase)
            add(record);
}

std::uint64_t record_hash(const sim::Record& record) {
    std::uint64_t hash = sim::mix(static_cast<std::uint64_t>(sim::ps(record.at)), record.kind->id);
    hash = sim::mix(hash, record.cpu);
    for (const std::uint64_t operand : record.operands)
        hash = sim::mix(hash, operand);
    return hash;
}

std::string_view RecordMarks::add(const sim::Record& record) {
    if (size_++ % RecordStream::kChunkRecords == 0)
        links_.emplace_back();
    fmt::format_to(std::back_inserter(links_.back()), "{:0{}x}", record_hash(record) & kMarkMask, kMarkDigits);
    return mark_at(links_, size_ - 1);
}

std::string_view mark_at(const std::vector<std::string>& links, std::uint64_t index) {
    const std::uint64_t link = index / RecordStream::kChunkRecords;
    const std::size_t from = kMarkDigits * static_cast<std::size_t>(index % RecordStream::kChunkRecords);
    if (link >= links.size() || from >= links[link].size())
        return {};
    return std::string_view(links[link]).substr(from, kMarkDigits);
}

}  // namespace ticklab::lab
