// A shadow with the depth it was found at, in one texel.
vec4 packed_shadow(float shadow, float depth) {
    float high = floor(depth * 255.0);
    return vec4(shadow, high / 255.0, depth * 255.0 - high, 1.0);
}
float depth_in(vec4 texel) { return texel.g + texel.b / 255.0; }
