# Runs collector/logstash/otlp.rb without Logstash: a request a line on the standard input, an event a line on the output.
# LogStash::Event is a stand-in with what the script uses of it.
require "json"

module LogStash
  class Event
    attr_reader :data

    def initialize(data)
      @data = data
    end

    def get(name)
      @data[name]
    end
  end
end

load ARGV[0]
STDIN.each_line do |line|
  filter(LogStash::Event.new(JSON.parse(line))).each { |event| puts JSON.generate(event.data) }
end
