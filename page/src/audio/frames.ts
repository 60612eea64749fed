/** The stream of /studio/speak: frames of a JSON head and 16-bit samples, each with its length before it. */

export interface Head {
  rate?: number;
  words?: [string, number, number][];
  phones?: [string, number, number][];
  end?: boolean;
  /** Silence that is to follow, seconds. */
  gap?: number;
}

export interface Frame {
  head: Head;
  samples: Int16Array;
}

/** Collects bytes and gives the frames that are complete. */
export class FrameReader {
  private held = new Uint8Array(0);

  push(bytes: Uint8Array): Frame[] {
    const data = new Uint8Array(this.held.length + bytes.length);
    data.set(this.held);
    data.set(bytes, this.held.length);
    const view = new DataView(data.buffer);
    const frames: Frame[] = [];
    let place = 0;
    while (data.length - place >= 8) {
      const head = view.getUint32(place, true);
      const sound = view.getUint32(place + 4, true);
      const end = place + 8 + head + sound;
      if (end > data.length) break;
      const text = new TextDecoder().decode(data.subarray(place + 8, place + 8 + head));
      frames.push({ head: JSON.parse(text) as Head, samples: new Int16Array(data.slice(place + 8 + head, end).buffer) });
      place = end;
    }
    this.held = data.slice(place);
    return frames;
  }

  /** Whether nothing is left over. */
  get isEmpty(): boolean {
    return this.held.length === 0;
  }
}
