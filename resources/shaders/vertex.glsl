vec3 to_view(vec3 p) { return rotation * (p - target); }
vec4 clip(vec3 v) {
    float w = eye > 0.0 ? (eye - v.z) / eye : 1.0;
    return vec4(v.x / extent.x, -v.y / extent.y, 0.0, w);  // top row first in memory
}
vec2 corner() { return vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0 - 1.0; }
